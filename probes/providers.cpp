// The table of providers; the README has the same with its sources.
#include "probes/providers.hpp"

#include <array>

namespace vitals {
namespace {

constexpr std::array<Preset, 16> table{{
    {.name = "openai",
     .url = "https://api.openai.com/v1/models",
     .expect_status = "401, 403, 429",
     .source = "https://platform.openai.com/docs/guides/error-codes"},
    {.name = "elevenlabs",
     .url = "https://api.elevenlabs.io/v1/user",
     .expect_status = "401, 403, 429",
     .source = "https://elevenlabs.io/docs/api-reference/authentication"},
    {.name = "deepgram",
     .url = "https://api.deepgram.com/v1/projects",
     .expect_status = "400, 401, 403, 429",
     .source = "https://developers.deepgram.com/reference/manage/projects/list"},
    {.name = "twilio",
     .url = "https://api.twilio.com/2010-04-01/Accounts.json",
     .expect_status = "401, 403, 429",
     .source = "https://www.twilio.com/docs/api/errors/20003"},
    {.name = "pinecone",
     .url = "https://api.pinecone.io/indexes",
     .expect_status = "401, 403, 429",
     .source = "https://docs.pinecone.io/reference/api/authentication"},
    {.name = "sentry",
     .url = "https://sentry.io/api/0/organizations/",
     .expect_status = "200, 401, 403, 429",
     .source = "https://docs.sentry.io/api/auth/"},
    {.name = "axiom",
     .url = "https://api.axiom.co/v2/datasets",
     .expect_status = "401, 403, 429",
     .source = "https://axiom.co/docs/restapi/introduction"},
    {.name = "supabase",
     .url = "https://api.supabase.com/v1/projects",
     .expect_status = "401, 403, 429",
     .source = "https://supabase.com/docs/reference/api/introduction"},
    {.name = "upstash",
     .url = "https://api.upstash.com/v2/redis/databases",
     .expect_status = "401, 403, 429",
     .source = "https://upstash.com/docs/devops/developer-api/authentication"},
    {.name = "backblaze-b2",
     .url = "https://api.backblazeb2.com/b2api/v3/b2_authorize_account",
     .expect_status = "400, 401, 403, 429",
     .source = "https://www.backblaze.com/apidocs/b2-authorize-account"},
    {.name = "cloudflare-r2",
     .url = "https://api.cloudflare.com/client/v4/user/tokens/verify",
     .expect_status = "400, 401, 403, 429",
     .source = "https://developers.cloudflare.com/fundamentals/api/troubleshooting"},
    {.name = "whatsapp",
     .url = "https://graph.facebook.com/me",
     .expect_status = "400, 401, 403, 429",
     .source = "https://developers.facebook.com/docs/graph-api/guides/error-handling"},
    {.name = "vercel",
     .url = "https://api.vercel.com/v2/user",
     .expect_status = "401, 403, 429",
     .source = "https://vercel.com/docs/rest-api/errors"},
    {.name = "stripe",
     .url = "https://api.stripe.com/v1/balance",
     .expect_status = "401, 403, 429",
     .source = "https://docs.stripe.com/api/errors"},
    {.name = "anthropic",
     .url = "https://api.anthropic.com/v1/models",
     .expect_status = "401, 403, 429",
     .source = "https://docs.anthropic.com/en/api/errors"},
    // Does not count against the 60 requests an hour that an address has without a token.
    {.name = "github",
     .url = "https://api.github.com/rate_limit",
     .expect_status = "200, 403, 429",
     .source = "https://docs.github.com/en/rest/rate-limit/rate-limit"},
}};

}  // namespace

std::span<const Preset> providers() { return table; }

}  // namespace vitals
