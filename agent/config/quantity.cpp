// Exact decimal arithmetic for quantities with units: nothing is rounded, what does not fit is
// said.
#include "agent/config/quantity.hpp"

#include <array>
#include <cctype>
#include <limits>
#include <optional>
#include <span>

namespace vitals::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

constexpr std::array<Unit, 5> duration_units{
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
constexpr std::array<Unit, 9> size_units{{{"B", 1},
                                          {"kB", 1'000},
                                          {"KB", 1'000},
                                          {"MB", 1'000'000},
                                          {"GB", 1'000'000'000},
                                          {"KiB", 1'024},
                                          {"MiB", 1'048'576},
                                          {"GiB", 1'073'741'824},
                                          {"TiB", 1'099'511'627'776}}};
// Both keep every product below within 64 bits.
constexpr std::size_t whole_digits_max = 15;
constexpr std::size_t fraction_digits_max = 6;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view take_digits(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && is_digit(text[length])) ++length;
  const auto digits = text.substr(0, length);
  text.remove_prefix(length);
  return digits;
}

std::int64_t to_number(std::string_view digits) {
  std::int64_t number = 0;
  for (const char c : digits) number = number * 10 + (c - '0');
  return number;
}

/// A number with an optional fraction, and the unit behind it.
struct Amount {
  std::string_view whole;
  std::string_view fraction;
  std::string_view unit;
};

std::optional<Amount> take_amount(std::string_view& text) {
  Amount amount;
  amount.whole = take_digits(text);
  if (amount.whole.empty() || amount.whole.size() > whole_digits_max) return std::nullopt;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    amount.fraction = take_digits(text);
    if (amount.fraction.empty() || amount.fraction.size() > fraction_digits_max) {
      return std::nullopt;
    }
  }
  std::size_t length = 0;
  while (length < text.size() && std::isalpha(static_cast<unsigned char>(text[length])) != 0) {
    ++length;
  }
  amount.unit = text.substr(0, length);
  text.remove_prefix(length);
  return amount;
}

const Unit* find_unit(std::span<const Unit> units, std::string_view name) {
  for (const auto& unit : units) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

bool is_too_much(const Amount& amount, std::int64_t factor) {
  return to_number(amount.whole) > std::numeric_limits<std::int64_t>::max() / 4 / factor;
}

/// Nothing when it does not come out even. It must not be too much.
std::optional<std::int64_t> multiply(const Amount& amount, std::int64_t factor) {
  const std::int64_t whole = to_number(amount.whole);
  std::int64_t scale = 1;
  for (std::size_t i = 0; i < amount.fraction.size(); ++i) scale *= 10;
  // A tebibyte times six digits still fits into 63 bits.
  const std::int64_t part = to_number(amount.fraction) * factor;
  if (part % scale != 0) return std::nullopt;
  return whole * factor + part / scale;
}

Error not_a_duration() {
  return Error{"must be a duration such as \"500ms\", \"10s\", \"2m\" or \"1h\""};
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const auto original = text;
  if (text.empty()) return not_a_duration();
  std::int64_t total = 0;
  std::int64_t last_factor = std::numeric_limits<std::int64_t>::max();
  while (!text.empty()) {
    const auto amount = take_amount(text);
    if (!amount) return not_a_duration();
    if (amount->unit.empty() && text.empty() && amount->whole.size() == original.size()) {
      return Error{"is a duration without unit; write \"" + std::string(original) +
                   "s\" (units: ms, s, m, h, d)"};
    }
    const Unit* unit = find_unit(duration_units, amount->unit);
    // "1h30m" reads well, "30m1h" and "1s1s" are slips.
    if (unit == nullptr || unit->factor >= last_factor) return not_a_duration();
    last_factor = unit->factor;
    if (is_too_much(*amount, unit->factor)) return Error{std::string(endless_duration)};
    const auto part = multiply(*amount, unit->factor);
    if (!part) return Error{"must come out in whole milliseconds"};
    if (total > std::numeric_limits<std::int64_t>::max() - *part) {
      return Error{std::string(endless_duration)};
    }
    total += *part;
  }
  return Duration(total);
}

std::string format_duration(Duration duration) {
  const auto count = duration.count();
  if (count == 0) return "0s";
  std::string shortest;
  for (const auto& unit : duration_units) {
    // Days are for reading: "24h" says it in the units that everybody writes.
    if (unit.name == "d" || count % unit.factor != 0) continue;
    shortest = std::to_string(count / unit.factor) + std::string(unit.name);
  }
  return shortest;
}

Result<std::int64_t> parse_size(std::string_view text) {
  const Error error{"must be a size such as 4096, \"64KiB\" or \"10MB\""};
  const auto amount = take_amount(text);
  if (!amount || !text.empty()) return error;
  const Unit* unit = find_unit(size_units, amount->unit.empty() ? "B" : amount->unit);
  if (unit == nullptr) return error;
  if (is_too_much(*amount, unit->factor)) return Error{"is more bytes than can be counted"};
  const auto bytes = multiply(*amount, unit->factor);
  if (!bytes) return Error{"must be a whole number of bytes"};
  return *bytes;
}

}  // namespace vitals::config
