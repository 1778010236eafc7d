// Finds secrets in every form they come back in, and takes them out.
#include <vitals/secrets.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <tuple>
#include <utility>

#include <vitals/health.hpp>
#include <vitals/text.hpp>

#include "agent/text/readings.hpp"

namespace vitals {
namespace {

constexpr std::string_view mask = "***";
// Shorter values also occur in harmless words: taking them out would leave nothing to read.
constexpr std::size_t anywhere_min = SecretSet::scrubbed_min;
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decode(std::string_view value) {
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const bool room = value[i] == '%' && i + 2 < value.size();
    const int high = room ? hex_value(value[i + 1]) : -1;
    const int low = room ? hex_value(value[i + 2]) : -1;
    if (high < 0 || low < 0) {
      out += value[i];
      continue;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

constexpr std::string_view base64_standard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view base64_url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The base64 digits (RFC 4648) of `value` after `offset` unknown bytes that no neighbour shares:
/// they appear in the encoding of every text that holds the value at that alignment.
std::string base64_core(std::string_view value, std::size_t offset, std::string_view alphabet) {
  const std::size_t first = (offset * 8 + 5) / 6;
  const std::size_t end = (offset + value.size()) * 8 / 6;
  std::string out;
  for (std::size_t digit = first; digit < end; ++digit) {
    std::uint32_t bits = 0;
    for (std::size_t bit = digit * 6; bit < digit * 6 + 6; ++bit) {
      const auto byte = static_cast<unsigned char>(value[bit / 8 - offset]);
      bits = bits * 2 + (byte >> (7 - bit % 8) & 1U);
    }
    out += alphabet[bits];
  }
  return out;
}

/// What we write ourselves, besides the labels: kinds, schemes, roles and words of protocols.
constexpr std::array<std::string_view, 54> own_words{
    "http",       "https",       "http+unix",  "tcp",       "tls",       "postgres",
    "postgresql", "redis",       "rediss",     "valkey",    "valkeys",   "unix",
    "websocket",  "ws",          "wss",        "ws+unix",   "dns",       "heartbeat",
    "process",    "connections", "disk",       "memory",    "group",     "file",
    "any",        "master",      "replica",    "slave",     "primary",   "standby",
    "sentinel",   "cluster",     "standalone", "leader",    "localhost", "default",
    "admin",      "user",        "password",   "vitals",    "health",    "ready",
    "unhealthy",  "true",        "false",      "none",      "some",      "full",
    "connection", "certificate", "text/plain", "text/html", "expected",  "application/json"};

template <std::size_t N>
bool holds(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// "Bearer x" is as secret as x.
std::string_view without_scheme(std::string_view value) {
  for (const std::string_view scheme : {"bearer ", "basic ", "token ", "apikey "}) {
    if (same_ignoring_case(value.substr(0, scheme.size()), scheme)) {
      return value.substr(scheme.size());
    }
  }
  return value;
}

bool is_own_words(std::string_view text) {
  while (!text.empty()) {
    const auto word = text.substr(0, text.find(' '));
    if (!word.empty() && !is_own_word(word)) return false;
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  return true;
}

bool is_telling(std::string_view value) {
  const auto core = without_scheme(value);
  return core.size() >= SecretSet::shared_min && !is_own_words(core);
}

}  // namespace

bool is_own_word(std::string_view text) {
  const std::string word = to_lower(text);
  return holds(own_words, word) || holds(status_labels, word) || holds(impact_labels, word) ||
         holds(scope_labels, word) || holds(reason_labels, word);
}

struct SecretSet::Form {
  std::string text;
  bool base64 = false;  // digits on either side may hold bits of the secret, too
  std::size_t prefix_min = std::string_view::npos;  // so much of it alone gives it away
};

namespace {

/// Whether a run of letters and digits in `value` is one that nobody gives for a name: with a digit
/// before a letter. Those of hosts and regions are short ("2a") or end in their digits ("west1").
bool has_random_run(std::string_view value) {
  constexpr std::size_t run_min = 8;
  for (std::size_t begin = 0; begin < value.size();) {
    auto end = begin;
    bool mixed = false;
    for (; end < value.size() && is_alnum(value[end]); ++end) {
      mixed = mixed || (end > begin && is_digit(value[end - 1]) && !is_digit(value[end]));
    }
    if (mixed && end - begin >= run_min) return true;
    begin = end + 1;
  }
  return false;
}

/// A server that quotes a token often shortens it: "sk_live_51H2x…". Only what looks like a token
/// is known by its beginning; a sentence, a message or the name of a host begins as many others do.
std::size_t prefix_min_of(std::string_view value) {
  constexpr std::size_t token_min = 16;
  constexpr std::size_t telling_min = 12;
  const auto beginning = value.substr(0, telling_min);
  const bool digits = std::any_of(beginning.begin(), beginning.end(), is_digit);
  const bool token = std::all_of(value.begin(), value.end(), [](char c) {
    return is_alnum(c) || std::string_view("-._~+/=").find(c) != std::string_view::npos;
  });
  const bool telling = value.size() >= token_min && digits && token && has_random_run(value);
  return telling ? telling_min : std::string_view::npos;
}

/// Everything else that encoders make of a value is read back where it is looked for.
template <typename Form>
void add_forms(std::string_view value, std::vector<Form>& forms) {
  if (value.size() < anywhere_min) return;
  const std::size_t prefix_min = prefix_min_of(value);
  forms.push_back({std::string(value), false, prefix_min});
  for (const auto alphabet : {base64_standard, base64_url}) {
    for (std::size_t offset = 0; offset < 3; ++offset) {
      const bool token = prefix_min != std::string_view::npos;
      forms.push_back({base64_core(value, offset, alphabet), true,
                       token ? prefix_min * 8 / 6 : std::string_view::npos});
    }
  }
}

bool is_base64(char c) {
  return is_alnum(c) || c == '+' || c == '/' || c == '-' || c == '_' || c == '=';
}

/// Where a match at `begin` really ends and begins: shared base64 digits and padding belong to it.
std::pair<std::size_t, std::size_t> widen(std::string_view text, std::size_t begin,
                                          std::size_t end) {
  if (begin > 0 && is_base64(text[begin - 1]) && text[begin - 1] != '=') --begin;
  if (end < text.size() && is_base64(text[end])) ++end;
  while (end < text.size() && text[end] == '=') ++end;
  return {begin, end};
}

/// Each stretch that is covered becomes one mask.
std::string without(std::string_view text, std::string_view covered) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (covered[i] == '\0') {
      out += text[i];
    } else if (i == 0 || covered[i - 1] == '\0') {
      out += mask;
    }
  }
  return out;
}

}  // namespace

SecretSet::SecretSet(std::size_t later_max) : later_max_(later_max) {}
SecretSet::~SecretSet() = default;

void SecretSet::add(std::string_view value) {
  if (value.size() < scrubbed_min) return;
  std::shared_ptr<SecretSet> others;
  {
    const std::lock_guard lock(mutex_);
    add_locked(value);
    others = others_;
  }
  if (others && is_telling(value)) others->add(value);
}

void SecretSet::add_locked(std::string_view value) {
  const auto known = std::find_if(secrets_.begin(), secrets_.end(),
                                  [&](const Secret& secret) { return secret.value == value; });
  if (known != secrets_.end()) {
    // Used again: the last to go.
    if (!known->kept) std::rotate(known, known + 1, secrets_.end());
    return;
  }
  Secret secret;
  secret.value = value;
  secret.kept = !loaded_;
  add_forms(value, secret.forms);
  const std::string decoded = percent_decode(value);
  if (decoded != value) add_forms(decoded, secret.forms);
  secret.shared = is_telling(value) && is_telling(decoded);
  std::sort(secret.forms.begin(), secret.forms.end(),
            [](const Form& a, const Form& b) { return a.text < b.text; });
  secret.forms.erase(std::unique(secret.forms.begin(), secret.forms.end(),
                                 [](const Form& a, const Form& b) { return a.text == b.text; }),
                     secret.forms.end());
  for (const auto& form : secret.forms) {
    secret.first_bytes.set(static_cast<unsigned char>(form.text.front()));
  }
  for (const char c : std::string_view("%+\\&")) {
    secret.first_bytes.set(static_cast<unsigned char>(c));
  }
  // Those of dropped ones stay: a byte too many costs a look, and counting anew costs one at each.
  first_bytes_ |= secret.first_bytes;
  secrets_.push_back(std::move(secret));
  drop_oldest_locked();
}

void SecretSet::share_with(std::shared_ptr<SecretSet> others) {
  const auto pool = std::move(others);
  std::vector<std::string> mine;
  {
    const std::lock_guard lock(mutex_);
    others_ = pool;
    for (const auto& secret : secrets_) {
      if (secret.shared) mine.push_back(secret.value);
    }
  }
  for (const auto& value : mine) pool->add(value);
}

void SecretSet::drop_oldest_locked() {
  const auto later = std::count_if(secrets_.begin(), secrets_.end(),
                                   [](const Secret& secret) { return !secret.kept; });
  if (static_cast<std::size_t>(later) <= later_max_) return;
  const auto oldest = std::find_if(secrets_.begin(), secrets_.end(),
                                   [](const Secret& secret) { return !secret.kept; });
  secrets_.erase(oldest);
}

void SecretSet::loaded() {
  const std::lock_guard lock(mutex_);
  loaded_ = true;
}

void SecretSet::mark_locked(std::string_view text, std::size_t begin, const Manner& manner,
                            std::string& covered) const {
  MatchRules rules{.may_be_cut = manner.ending == Ending::cut, .cut_min = anywhere_min};
  for (const auto& secret : secrets_) {
    if (manner.shared_alone && !secret.shared) continue;
    if (!secret.first_bytes.test(static_cast<unsigned char>(text[begin]))) continue;
    for (const auto& form : secret.forms) {
      if (text[begin] != form.text.front() && !is_escape(text[begin])) continue;
      rules.prefix_min = form.prefix_min;
      std::size_t from = begin;
      std::size_t end = match_end(text, begin, form.text, rules);
      if (end == std::string_view::npos) continue;
      if (form.base64) std::tie(from, end) = widen(text, from, end);
      if (covered.empty()) covered.assign(text.size(), '\0');
      std::fill(covered.begin() + static_cast<std::ptrdiff_t>(from),
                covered.begin() + static_cast<std::ptrdiff_t>(end), '\1');
    }
  }
}

std::string SecretSet::scrub(std::string_view text, Ending ending) const {
  return scrub_in(text, {.ending = ending, .shared_alone = false});
}

std::string SecretSet::scrub_in(std::string_view text, const Manner& manner) const {
  // Empty until the first find: most texts hold no secret and cost one look at each byte.
  std::string covered;
  std::shared_ptr<const SecretSet> others;
  {
    const std::lock_guard lock(mutex_);
    others = others_;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if (first_bytes_.test(byte)) mark_locked(text, i, manner, covered);
    }
  }
  std::string out = covered.empty() ? std::string(text) : without(text, covered);
  if (!others) return out;
  return others->scrub_in(out, {.ending = manner.ending, .shared_alone = true});
}

}  // namespace vitals
