// Turns TOML text into our own tree: the only file that knows toml++.
#include "agent/config/document.hpp"

#include <algorithm>
#include <array>
#include <utility>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.hpp>

#include <vitals/assert.hpp>
#include <vitals/text.hpp>

namespace vitals::config {
namespace {

constexpr std::size_t message_max = 200;

Place place_of(const toml::source_position& position) {
  return {static_cast<int>(position.line), static_cast<int>(position.column), {}};
}

bool comes_before(const Value& a, const Value& b) {
  return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
}

/// toml++ quotes what it stumbled over, and that may be a secret that lost its quotes: only single
/// characters, its own words and names of keys are shown.
std::string without_values(std::string_view description) {
  if (description.find("redefine") != std::string_view::npos) return std::string(description);
  constexpr std::array<std::string_view, 4> words{"true", "false", "inf", "nan"};
  std::string out;
  while (!description.empty()) {
    const auto open = description.find('\'');
    // The quoted thing may be a quote itself: ''' ends at its last one.
    const auto close = open == std::string_view::npos ? open : description.find('\'', open + 2);
    if (close == std::string_view::npos) break;
    const auto quoted = description.substr(open + 1, close - open - 1);
    const bool fit =
        quoted.size() == 1 || std::find(words.begin(), words.end(), quoted) != words.end();
    out += description.substr(0, open);
    out += fit ? "'" + std::string(quoted) + "'" : "…";
    description.remove_prefix(close + 1);
  }
  return out + std::string(description);
}

Value convert(const toml::node& node);

std::vector<Value> children_of(const toml::table& table) {
  std::vector<Value> children;
  children.reserve(table.size());
  for (const auto& [key, node] : table) {
    Value child = convert(node);
    child.key = key.str();
    child.place = place_of(key.source().begin);
    children.push_back(std::move(child));
  }
  // toml++ sorts by name; people read from top to bottom.
  std::stable_sort(children.begin(), children.end(), comes_before);
  return children;
}

std::vector<Value> items_of(const toml::array& array) {
  std::vector<Value> items;
  items.reserve(array.size());
  for (const auto& node : array) items.push_back(convert(node));
  return items;
}

Value convert(const toml::node& node) {
  Value value;
  value.place = place_of(node.source().begin);
  switch (node.type()) {
    case toml::node_type::table:
      value.type = Value::Type::table;
      value.children = children_of(*node.as_table());
      return value;
    case toml::node_type::array:
      value.type = Value::Type::list;
      value.children = items_of(*node.as_array());
      return value;
    case toml::node_type::string:
      value.type = Value::Type::text;
      value.text = node.as_string()->get();
      value.written = value.text;
      return value;
    case toml::node_type::integer:
      value.type = Value::Type::integer;
      value.integer = node.as_integer()->get();
      return value;
    case toml::node_type::floating_point:
      value.type = Value::Type::number;
      value.number = node.as_floating_point()->get();
      return value;
    case toml::node_type::boolean:
      value.type = Value::Type::flag;
      value.flag = node.as_boolean()->get();
      return value;
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      value.type = Value::Type::moment;
      return value;
    case toml::node_type::none:
      break;
  }
  VITALS_ASSERT(false);
  return value;
}

}  // namespace

const Value* Value::find(std::string_view name) const {
  const auto found = std::find_if(children.begin(), children.end(),
                                  [&](const Value& child) { return child.key == name; });
  return found == children.end() ? nullptr : &*found;
}

Value text_value(std::string key, std::string text, Place place) {
  Value value;
  value.type = Value::Type::text;
  value.key = std::move(key);
  value.place = std::move(place);
  value.written = text;
  value.text = std::move(text);
  return value;
}

std::string_view describe(Value::Type type) {
  switch (type) {
    case Value::Type::text:
      return "a string";
    case Value::Type::integer:
      return "an integer";
    case Value::Type::number:
      return "a number";
    case Value::Type::flag:
      return "true or false";
    case Value::Type::moment:
      return "a date or time";
    case Value::Type::list:
      return "an array";
    case Value::Type::table:
      return "a table";
  }
  VITALS_ASSERT(false);
  return {};
}

Result<Value, SyntaxError> parse_document(std::string_view text) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const auto& error = parsed.error();
    return SyntaxError{place_of(error.source().begin),
                       "not TOML: " + clean_text(without_values(error.description()), message_max)};
  }
  return convert(parsed.table());
}

}  // namespace vitals::config
