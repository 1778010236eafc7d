// APIs that many apps live on: a harmless URL of each, and which of its answers mean "reachable".
#pragma once

#include <span>
#include <string_view>

#include <vitals/kind.hpp>

namespace vitals {

/// In the order of contract §3.2. Not one of them needs a key, and none is ever sent: to be refused
/// for the lack of one is the usual answer of an API that works. 429 means reachable, too: we were
/// too many, the API was not down.
[[nodiscard]] std::span<const Preset> providers();

/// Their names as SettingSpec::choices wants them.
inline constexpr std::string_view provider_choices =
    "openai|elevenlabs|deepgram|twilio|pinecone|sentry|axiom|supabase|upstash|"
    "backblaze-b2|cloudflare-r2|whatsapp|vercel|stripe|anthropic|github";

}  // namespace vitals
