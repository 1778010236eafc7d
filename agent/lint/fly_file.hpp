// A fly.toml as the rules look at it: services, their checks, and numbers with their units.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/time.hpp>

#include "agent/config/config.hpp"
#include "agent/config/document.hpp"

namespace vitals::lint {

using config::Place;
using config::Value;

/// What a number without unit counts; flyctl is not of one mind.
enum class BareUnit { nanoseconds, milliseconds, seconds };

/// One of [[http_service.checks]], [[services.http_checks]], [[services.tcp_checks]] or
/// [checks.NAME]. Points into the document.
struct FlyCheck {
  const Value* table = nullptr;
  std::string path;  // "http_service.checks", "checks.app"
  BareUnit bare = BareUnit::milliseconds;
  bool http = false;
  std::optional<std::int64_t> port;  // of the service, or its own
  std::string http_path;             // without its query; "/" by default
};

/// [http_service] or one of [[services]].
struct FlyService {
  const Value* table = nullptr;
  std::string path;
  std::optional<std::int64_t> internal_port;
  bool reachable = false;  // Fly Proxy listens for it
  std::vector<FlyCheck> checks;
};

/// Services and checks point into the document, so it moves but is not copied.
struct FlyFile {
  FlyFile() = default;
  FlyFile(FlyFile&&) = default;
  FlyFile& operator=(FlyFile&&) = default;

  Value document;
  std::vector<FlyService> services;
  std::vector<FlyCheck> checks;  // top level: any port, no say in routing

  /// Of services and top level alike.
  [[nodiscard]] std::vector<const FlyCheck*> all_checks() const;
  /// What [env] sets, for expansions in vitals.toml; asks this file, which must outlive it.
  [[nodiscard]] Environment environment() const;
};

/// The tables at that key: one table and a list of tables are the same to flyctl.
[[nodiscard]] std::vector<const Value*> tables_at(const Value& parent, std::string_view key);
/// The text at that key; nothing when it is none.
[[nodiscard]] std::optional<std::string> text_at(const Value& table, std::string_view key);
/// An integer, or one in quotes, as flyctl takes both.
[[nodiscard]] std::optional<std::int64_t> integer_at(const Value& table, std::string_view key);
/// A duration with its unit, or a bare number in `bare`; nothing for all else.
[[nodiscard]] std::optional<Duration> duration_at(const Value& table, std::string_view key,
                                                  BareUnit bare);
/// The items of a list of strings.
[[nodiscard]] std::vector<std::string> texts_at(const Value& table, std::string_view key);
/// Where that key stands; where the table begins when it is not there.
[[nodiscard]] Place place_of(const Value& table, std::string_view key);

[[nodiscard]] FlyFile read_fly_file(Value document);

}  // namespace vitals::lint
