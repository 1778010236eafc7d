// Answers of other Machines: JSON and two kinds of dates, none of them trusted.
#include "agent/fleet/peer_answer.hpp"

#include <time.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/verdict/last_attempt.hpp"

namespace vitals::fleet {
namespace {

using Json = nlohmann::json;

constexpr const char* http_date = "%a, %d %b %Y %H:%M:%S GMT";
constexpr const char* iso_date = "%Y-%m-%dT%H:%M:%SZ";
/// Both dates are whole seconds, rounded down.
constexpr Elapsed rounding = std::chrono::seconds(1);
/// Nobody's agent runs for longer, and nothing overflows.
constexpr std::time_t age_max = 10LL * 365 * 24 * 3'600;

std::optional<std::time_t> read_time(std::string_view text, const char* format) {
  std::tm parts{};
  const std::string whole(text);
  const char* const end = strptime(whole.c_str(), format, &parts);
  if (end == nullptr || end != whole.c_str() + whole.size()) return std::nullopt;
  return timegm(&parts);
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

/// Age of a moment in the document by the clock that wrote both.
std::optional<Elapsed> age_of(const Json& entry, const char* key, std::string_view date) {
  const auto present = read_time(date, http_date);
  const auto then = read_time(text_of(entry, key), iso_date);
  if (!present || !then) return std::nullopt;
  return std::chrono::seconds(std::clamp<std::time_t>(*present - *then, 0, age_max));
}

/// The one check of the document, null when there is none: details are hidden.
const Json* entry_of(const Json& document) {
  const auto checks = document.find("checks");
  if (checks == document.end() || !checks->is_object() || checks->size() != 1) return nullptr;
  const Json& entries = checks->front();
  if (!entries.is_array() || entries.empty() || !entries.front().is_object()) return nullptr;
  return &entries.front();
}

/// What the document has: the second in which the latest attempt ended.
std::optional<PeerAnswer::Age> age_in_document(const Json& entry, std::string_view date) {
  const auto age = age_of(entry, "time", date);
  if (!age) return std::nullopt;
  return PeerAnswer::Age{std::max(Elapsed::zero(), *age - rounding), *age + rounding};
}

bool streak_of_failures(const Json& entry) {
  const auto streak = entry.find("failures_in_a_row");
  return streak != entry.end() && streak->is_number() && streak->get<double>() > 0;
}

}  // namespace

std::optional<PeerAnswer> read_peer_answer(const RawAnswer& raw, std::string_view check) {
  constexpr int ok = 200;
  constexpr int unavailable = 503;
  if (raw.status != ok && raw.status != unavailable) return std::nullopt;
  const Json document = Json::parse(raw.body, nullptr, false);
  if (!document.is_object()) return std::nullopt;
  const std::string status = text_of(document, "status");
  if (status != "pass" && status != "warn" && status != "fail") return std::nullopt;
  const auto told = read_last_attempt(raw.last_attempt);
  PeerAnswer answer;
  answer.fails = status == "fail" || (told && told->said == LastAttempt::Said::fail);
  answer.none = told && told->said == LastAttempt::Said::none;
  if (told && !answer.none) answer.attempt = {told->ended, told->began};
  const Json* const entry = entry_of(document);
  if (entry == nullptr) return answer;
  if (text_of(*entry, "componentId") != check || text_of(*entry, "reason") == "stale") {
    return std::nullopt;
  }
  answer.fails = answer.fails || streak_of_failures(*entry);
  if (!told) answer.attempt = age_in_document(*entry, raw.date);
  return answer;
}

}  // namespace vitals::fleet
