// Finds secrets in every form they come back in, and takes them out.
#include <vitals/secrets.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <tuple>
#include <utility>

#include "agent/text/readings.hpp"

namespace vitals {
namespace {

constexpr std::string_view mask = "***";
// Shorter values also occur in harmless words.
constexpr std::size_t anywhere_min = 4;
bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool is_word(char c) { return is_alnum(c) || c == '_'; }

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

}  // namespace

struct SecretSet::Form {
  std::string text;
  bool base64 = false;  // digits on either side may hold bits of the secret, too
};

namespace {

/// Everything else that encoders make of a value is read back where it is looked for.
template <typename Form>
void add_forms(std::string_view value, std::vector<Form>& forms) {
  forms.push_back({std::string(value), false});
  if (value.size() < anywhere_min) return;
  for (const auto alphabet : {base64_standard, base64_url}) {
    for (std::size_t offset = 0; offset < 3; ++offset) {
      forms.push_back({base64_core(value, offset, alphabet), true});
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

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  const bool left = begin > 0 && is_word(text[begin - 1]) && is_word(text[begin]);
  const bool right = end < text.size() && is_word(text[end]) && is_word(text[end - 1]);
  return !left && !right;
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
  if (value.empty()) return;
  std::shared_ptr<SecretSet> others;
  {
    const std::lock_guard lock(mutex_);
    add_locked(value);
    others = others_;
  }
  if (others) others->add(value);
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
  if (decoded != value && !decoded.empty()) add_forms(decoded, secret.forms);
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
  secrets_.push_back(std::move(secret));
  drop_oldest_locked();
  first_bytes_.reset();
  for (const auto& each : secrets_) first_bytes_ |= each.first_bytes;
}

void SecretSet::share_with(std::shared_ptr<SecretSet> others) {
  const auto pool = std::move(others);
  std::vector<std::string> mine;
  {
    const std::lock_guard lock(mutex_);
    others_ = pool;
    for (const auto& secret : secrets_) mine.push_back(secret.value);
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

void SecretSet::mark_locked(std::string_view text, std::size_t begin, Ending ending,
                            std::string& covered) const {
  const MatchRules rules{.may_be_cut = ending == Ending::cut, .cut_min = anywhere_min};
  for (const auto& secret : secrets_) {
    if (!secret.first_bytes.test(static_cast<unsigned char>(text[begin]))) continue;
    for (const auto& form : secret.forms) {
      if (text[begin] != form.text.front() && !is_escape(text[begin])) continue;
      std::size_t from = begin;
      std::size_t end = match_end(text, begin, form.text, rules);
      if (end == std::string_view::npos) continue;
      if (end - from < anywhere_min && !stands_alone(text, from, end)) continue;
      if (form.base64) std::tie(from, end) = widen(text, from, end);
      if (covered.empty()) covered.assign(text.size(), '\0');
      std::fill(covered.begin() + static_cast<std::ptrdiff_t>(from),
                covered.begin() + static_cast<std::ptrdiff_t>(end), '\1');
    }
  }
}

std::string SecretSet::scrub(std::string_view text, Ending ending) const {
  // Empty until the first find: most texts hold no secret and cost one look at each byte.
  std::string covered;
  std::shared_ptr<const SecretSet> others;
  {
    const std::lock_guard lock(mutex_);
    others = others_;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if (first_bytes_.test(byte)) mark_locked(text, i, ending, covered);
    }
  }
  std::string out = covered.empty() ? std::string(text) : without(text, covered);
  return others ? others->scrub(out, ending) : out;
}

}  // namespace vitals
