// The one place of the command line that knows nlohmann-json when an agent answers.
#include "agent/cli/answer.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include <vitals/text.hpp>

namespace vitals::cli {

using Json = nlohmann::ordered_json;

struct Answer::Node {
  std::shared_ptr<const Json> document;  // keeps `value` alive
  const Json* value = nullptr;           // null: not there
};

namespace {

const Json* member(const Json* object, std::string_view key) {
  if (object == nullptr || !object->is_object()) return nullptr;
  const auto found = object->find(std::string(key));
  return found == object->end() ? nullptr : &*found;
}

/// Sentences and settings hold more than one text of a server.
constexpr std::size_t text_max = 1'000;

std::string text_of(const Json* value) {
  if (value == nullptr || value->is_structured() || value->is_null()) return {};
  return value->is_string() ? clean_text(value->get<std::string>(), text_max) : value->dump();
}

}  // namespace

Answer::Answer(std::shared_ptr<const Node> node) : node_(std::move(node)) {}

std::optional<Answer> Answer::parse(const std::string& body) {
  auto document = std::make_shared<const Json>(Json::parse(body, nullptr, false));
  if (!document->is_object()) return std::nullopt;
  const Json* const value = document.get();
  return Answer(std::make_shared<const Node>(Node{std::move(document), value}));
}

bool Answer::has(std::string_view key) const { return member(node_->value, key) != nullptr; }

std::string Answer::text(std::string_view key) const { return text_of(member(node_->value, key)); }

std::string Answer::text() const { return text_of(node_->value); }

std::optional<WallTime> Answer::time(std::string_view key) const {
  using namespace std::chrono;
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  const std::string written = text(key);
  constexpr int parts = 6;
  if (std::sscanf(written.c_str(), "%4d-%2u-%2uT%2d:%2d:%2dZ", &year, &month, &day, &hour, &minute,
                  &second) != parts) {
    return std::nullopt;
  }
  const year_month_day date{std::chrono::year(year), std::chrono::month(month),
                            std::chrono::day(day)};
  if (!date.ok()) return std::nullopt;
  return sys_days(date) + hours(hour) + minutes(minute) + seconds(second);
}

Answer Answer::at(std::string_view key) const {
  return Answer(std::make_shared<const Node>(Node{node_->document, member(node_->value, key)}));
}

std::vector<std::pair<std::string, Answer>> Answer::children() const {
  std::vector<std::pair<std::string, Answer>> all;
  const Json* const value = node_->value;
  if (value == nullptr || !value->is_structured()) return all;
  for (auto item = value->begin(); item != value->end(); ++item) {
    const std::string name = value->is_object() ? clean_text(item.key()) : std::string();
    all.emplace_back(name, Answer(std::make_shared<const Node>(Node{node_->document, &*item})));
  }
  return all;
}

std::string Answer::document() const {
  return node_->value->dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace vitals::cli
