// Typed reading of single values, with messages that show the way out.
#include "agent/config/values.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include <vitals/assert.hpp>
#include <vitals/secrets.hpp>
#include <vitals/text.hpp>

#include "agent/config/quantity.hpp"
#include "agent/config/redact.hpp"
#include "agent/text/listen_address.hpp"

namespace vitals::config {
namespace {

using Type = Value::Type;

constexpr std::size_t shown_max = 64;

Error wrong_type(const Value& value, std::string_view wanted) {
  return Error{"must be " + std::string(wanted) + ", not " + std::string(describe(value.type))};
}

std::string number_text(double number) {
  char text[32];
  const auto end = std::to_chars(std::begin(text), std::end(text), number);
  return {std::begin(text), end.ptr};
}

/// "between 1 and 100", "at least 1", "at most 5".
std::string range_text(const std::string& min, const std::string& max, bool open) {
  return open ? "at least " + min : "between " + min + " and " + max;
}

Result<std::int64_t> within(std::int64_t number, IntegerRange range) {
  if (number >= range.min && number <= range.max) return number;
  return Error{"must be " +
               range_text(std::to_string(range.min), std::to_string(range.max),
                          range.max == std::numeric_limits<std::int64_t>::max()) +
               ", not " + std::to_string(number)};
}

std::optional<std::int64_t> integer_of(std::string_view text) {
  std::int64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<double> number_of(std::string_view text) {
  double number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

Error out_of_range(const DurationRange& range, Duration given, const std::string& shown) {
  const bool open = range.max == DurationRange{}.max;
  const std::string wanted =
      open && given > range.max
          ? "at most " + format_duration(range.max)
          : range_text(format_duration(range.min), format_duration(range.max), open);
  return Error{"must be " + wanted + ", not " + shown};
}

Value default_list(std::string_view text) {
  Value list;
  list.type = Type::list;
  while (!text.empty()) {
    const auto comma = text.find(',');
    auto item = text.substr(0, comma);
    while (item.starts_with(' ')) item.remove_prefix(1);
    list.children.push_back(text_value({}, std::string(item), {}));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return list;
}

}  // namespace

Result<std::string> to_text(const Value& value) {
  if (value.type != Type::text) return wrong_type(value, "a string");
  return value.text;
}

Result<std::int64_t> to_integer(const Value& value, IntegerRange range) {
  if (value.type == Type::integer) return within(value.integer, range);
  // What comes out of a variable is a string by nature: port = "${PORT}".
  const bool from_variable = value.type == Type::text && value.text != value.written;
  const auto number = from_variable ? integer_of(value.text) : std::nullopt;
  if (number) return within(*number, range);
  return wrong_type(value, "an integer");
}

Result<double> to_number(const Value& value, NumberRange range) {
  const bool from_variable = value.type == Type::text && value.text != value.written;
  double number = 0;
  if (value.type == Type::integer) {
    number = static_cast<double>(value.integer);
  } else if (value.type == Type::number) {
    number = value.number;
  } else if (const auto read = from_variable ? number_of(value.text) : std::nullopt) {
    number = *read;
  } else {
    return wrong_type(value, "a number");
  }
  // Written so that NaN is out of range.
  if (number >= range.min && number <= range.max) return number;
  return Error{"must be " +
               range_text(number_text(range.min), number_text(range.max),
                          range.max == std::numeric_limits<double>::max()) +
               ", not " + number_text(number)};
}

Result<bool> to_flag(const Value& value) {
  if (value.type == Type::flag) return value.flag;
  const bool from_variable = value.type == Type::text && value.text != value.written;
  if (from_variable && value.text == "true") return true;
  if (from_variable && value.text == "false") return false;
  return wrong_type(value, "true or false");
}

Result<Duration> to_duration(const Value& value, DurationRange range) {
  if (value.type == Type::integer || value.type == Type::number) {
    const std::string number =
        value.type == Type::integer ? std::to_string(value.integer) : number_text(value.number);
    return Error{"is a duration without unit; write \"" + number + "s\" (units: ms, s, m, h, d)"};
  }
  if (value.type != Type::text) return wrong_type(value, "a duration such as \"10s\"");
  auto duration = parse_duration(value.text);
  if (!duration) {
    // A variable's value is not ours to show.
    if (value.text != value.written) {
      return Error{"must be a duration such as \"10s\"; what the variable holds is none"};
    }
    if (duration.error().message != endless_duration) return duration;
    return out_of_range(range, Duration::max(), quotable(value));
  }
  if (duration.value() >= range.min && duration.value() <= range.max) return duration;
  return out_of_range(range, duration.value(), format_duration(duration.value()));
}

Result<std::int64_t> to_size(const Value& value, IntegerRange range) {
  if (value.type == Type::integer) return within(value.integer, range);
  if (value.type != Type::text) return wrong_type(value, "a size such as 4096 or \"64KiB\"");
  auto size = parse_size(value.text);
  if (!size) return size;
  return within(size.value(), range);
}

Result<std::string> to_choice(const Value& value, std::string_view choices) {
  const auto all = split_choices(choices);
  // ip = 4 means what it says; a fraction is no name of anything.
  const bool named = value.type == Type::text || value.type == Type::integer;
  auto text = named ? to_scalar_text(value) : Result<std::string>(Error{});
  if (text && std::find(all.begin(), all.end(), text.value()) != all.end()) return text;
  std::string message = "must be ";
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i > 0) message += i + 1 == all.size() ? " or " : ", ";
    message += "\"" + std::string(all[i]) + "\"";
  }
  if (value.type != Type::text)
    return Error{message + ", not " + std::string(describe(value.type))};
  return Error{message + ", not \"" + quotable(value) + "\""};
}

Result<std::vector<std::string>> to_list(const Value& value) {
  std::vector<std::string> items;
  const auto append = [&](const Value& item) {
    const bool fits = item.type == Type::text || item.type == Type::integer;
    if (fits) items.push_back(to_scalar_text(item).value());
    return fits;
  };
  if (value.type != Type::list) {
    if (append(value)) return items;
    return wrong_type(value, "a string or an array of strings");
  }
  for (const auto& item : value.children) {
    if (append(item)) continue;
    return Error{"must be an array of strings; one of its items is " +
                 std::string(describe(item.type))};
  }
  return items;
}

Result<std::string> to_scalar_text(const Value& value) {
  switch (value.type) {
    case Type::text:
      return value.text;
    case Type::integer:
      return std::to_string(value.integer);
    case Type::number:
      return number_text(value.number);
    case Type::flag:
      return std::string(value.flag ? "true" : "false");
    case Type::moment:
    case Type::list:
    case Type::table:
      return wrong_type(value, "a string");
  }
  VITALS_ASSERT(false);
  return Error{};
}

std::string quotable(const Value& value) {
  const std::string& text = value.written;
  const auto holds = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  if (!holds("@") && !holds("://") && url_passwords(text).empty()) {
    return clean_text(text, shown_max);
  }
  SecretSet hushed;
  for (const auto& secret : url_secrets(text)) hushed.add(secret);
  return clean_text(hushed.scrub(redact_url(text)), shown_max);
}

std::optional<std::string> file_path(const Value& value) {
  if (!value.is_table() || value.children.size() != 1) return std::nullopt;
  const Value& file = value.children.front();
  if (file.key != "file" || file.type != Type::text || file.text.empty()) return std::nullopt;
  return file.text;
}

bool is_secret(const SettingSpec& spec, std::string_view value) {
  const bool excepted = spec.harmless != nullptr && spec.harmless(value);
  return spec.secret && !value.empty() && !excepted;
}

bool is_broken(const Value& value) {
  return value.broken || std::any_of(value.children.begin(), value.children.end(), is_broken);
}

std::vector<std::string_view> split_choices(std::string_view choices) {
  std::vector<std::string_view> all;
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    all.push_back(choices.substr(0, bar));
    choices.remove_prefix(bar == std::string_view::npos ? choices.size() : bar + 1);
  }
  return all;
}

std::optional<Value> declared_default(const SettingSpec& spec) {
  if (spec.fallback.empty()) return std::nullopt;
  Value value = text_value(std::string(spec.name), std::string(spec.fallback), {});
  switch (spec.type) {
    case SettingType::text:
    case SettingType::live_text:
    case SettingType::duration:
    case SettingType::size:
    case SettingType::choice:
      return value;
    case SettingType::integer: {
      const auto number = integer_of(spec.fallback);
      VITALS_ASSERT(number.has_value());
      value.type = Type::integer;
      value.integer = *number;
      return value;
    }
    case SettingType::number: {
      const auto number = number_of(spec.fallback);
      VITALS_ASSERT(number.has_value());
      value.type = Type::number;
      value.number = *number;
      return value;
    }
    case SettingType::flag:
      VITALS_ASSERT(spec.fallback == "true" || spec.fallback == "false");
      value.type = Type::flag;
      value.flag = spec.fallback == "true";
      return value;
    case SettingType::list: {
      Value list = default_list(spec.fallback);
      list.key = spec.name;
      return list;
    }
    case SettingType::table:
      VITALS_ASSERT(false);
  }
  return std::nullopt;
}

std::string suggest(std::string_view word, const std::vector<std::string_view>& candidates) {
  const auto guess = closest(word, candidates);
  return guess.empty() ? "" : "; did you mean '" + guess + "'?";
}

Result<std::string> to_listen_address(const Value& value) {
  auto text = to_text(value);
  if (!text || parse_listen_address(text.value())) return text;
  return Error{"must be an address and a port, such as \"[::]:9100\" or \"127.0.0.1:9100\""};
}

}  // namespace vitals::config
