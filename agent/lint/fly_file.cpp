// Finds services and checks in a fly.toml in all the shapes that flyctl takes.
#include "agent/lint/fly_file.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "agent/config/quantity.hpp"

namespace vitals::lint {
namespace {

std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

FlyCheck read_check(const Value& table, std::string path, BareUnit bare, bool http) {
  FlyCheck check;
  check.table = &table;
  check.path = std::move(path);
  check.bare = bare;
  check.http = http;
  const std::string written = text_at(table, "path").value_or("/");
  check.http_path = written.substr(0, written.find('?'));
  return check;
}

FlyService read_service(const Value& table, std::string path) {
  FlyService service;
  service.table = &table;
  service.path = std::move(path);
  service.internal_port = integer_at(table, "internal_port");
  const bool simple = service.path == "http_service";
  service.reachable = simple || !tables_at(table, "ports").empty();
  const auto add = [&](std::string_view key, BareUnit bare, bool http) {
    for (const Value* check : tables_at(table, key)) {
      auto read = read_check(*check, service.path + "." + std::string(key), bare, http);
      read.port = service.internal_port;
      service.checks.push_back(std::move(read));
    }
  };
  if (simple) add("checks", BareUnit::nanoseconds, true);
  if (!simple) add("http_checks", BareUnit::milliseconds, true);
  add("tcp_checks", simple ? BareUnit::nanoseconds : BareUnit::milliseconds, false);
  return service;
}

void read_top_checks(FlyFile& file) {
  const Value* checks = file.document.find("checks");
  if (checks == nullptr) return;
  for (const Value& table : checks->children) {
    if (!table.is_table()) continue;
    // [[checks]] with a name inside is the older form of [checks.NAME].
    const std::string name = table.key.empty() ? text_at(table, "name").value_or("") : table.key;
    auto check =
        read_check(table, name.empty() ? "checks" : "checks." + name, BareUnit::milliseconds,
                   text_at(table, "type").value_or("http") == "http");
    check.port = integer_at(table, "port");
    file.checks.push_back(std::move(check));
  }
}

}  // namespace

std::vector<const FlyCheck*> FlyFile::all_checks() const {
  std::vector<const FlyCheck*> all;
  for (const FlyService& service : services) {
    for (const FlyCheck& check : service.checks) all.push_back(&check);
  }
  for (const FlyCheck& check : checks) all.push_back(&check);
  return all;
}

Environment FlyFile::environment() const {
  return [this](std::string_view name) -> std::optional<std::string> {
    for (const Value* table : tables_at(document, "env")) {
      if (auto text = text_at(*table, name)) return text;
      if (const auto number = integer_at(*table, name)) return std::to_string(*number);
    }
    return std::nullopt;
  };
}

std::vector<const Value*> tables_at(const Value& parent, std::string_view key) {
  const Value* found = parent.find(key);
  if (found == nullptr) return {};
  if (found->is_table()) return {found};
  std::vector<const Value*> tables;
  if (found->type != Value::Type::list) return tables;
  for (const Value& item : found->children) {
    if (item.is_table()) tables.push_back(&item);
  }
  return tables;
}

std::optional<std::string> text_at(const Value& table, std::string_view key) {
  const Value* found = table.find(key);
  if (found == nullptr || found->type != Value::Type::text) return std::nullopt;
  return found->text;
}

std::optional<std::int64_t> integer_at(const Value& table, std::string_view key) {
  const Value* found = table.find(key);
  if (found == nullptr) return std::nullopt;
  if (found->type == Value::Type::integer) return found->integer;
  if (found->type == Value::Type::text) return to_number(found->text);
  return std::nullopt;
}

std::optional<Duration> duration_at(const Value& table, std::string_view key, BareUnit bare) {
  const Value* found = table.find(key);
  if (found == nullptr) return std::nullopt;
  if (found->type == Value::Type::text) {
    const auto duration = config::parse_duration(found->text);
    return duration ? std::optional(duration.value()) : std::nullopt;
  }
  if (found->type != Value::Type::integer) return std::nullopt;
  switch (bare) {
    case BareUnit::nanoseconds:
      return std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(found->integer));
    case BareUnit::milliseconds:
      return Duration(found->integer);
    case BareUnit::seconds:
      // More than any limit is all that matters of a number that would not fit.
      constexpr std::int64_t seconds_max = 1'000'000'000;
      return Duration(std::min(found->integer, seconds_max) * 1'000);
  }
  return std::nullopt;
}

std::vector<std::string> texts_at(const Value& table, std::string_view key) {
  const Value* found = table.find(key);
  std::vector<std::string> texts;
  if (found == nullptr || found->type != Value::Type::list) return texts;
  for (const Value& item : found->children) {
    if (item.type == Value::Type::text) texts.push_back(item.text);
  }
  return texts;
}

Place place_of(const Value& table, std::string_view key) {
  const Value* found = table.find(key);
  return found == nullptr ? table.place : found->place;
}

FlyFile read_fly_file(Value document) {
  FlyFile file;
  file.document = std::move(document);
  for (const Value* table : tables_at(file.document, "http_service")) {
    file.services.push_back(read_service(*table, "http_service"));
  }
  for (const Value* table : tables_at(file.document, "services")) {
    file.services.push_back(read_service(*table, "services"));
  }
  read_top_checks(file);
  return file;
}

}  // namespace vitals::lint
