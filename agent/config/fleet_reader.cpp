// Reads the table [fleet]: on by itself where FLY_APP_NAME says which name all Machines share.
#include "agent/config/fleet_reader.hpp"

#include <algorithm>

#include "agent/config/values.hpp"

namespace vitals::config {
namespace {

constexpr std::int64_t port_max = 65'535;
constexpr std::int64_t sample_max = 64;
/// Of a name in DNS (RFC 1035).
constexpr std::size_t name_max = 253;

Result<std::string> to_peers(const Value& value) {
  auto text = to_text(value);
  if (!text) return text;
  const std::string& name = text.value();
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  if (plain && name.size() <= name_max) return text;
  return Error{"must be a host name without a port, such as \"my-app.internal\"; \"\" asks nobody"};
}

}  // namespace

FleetConfig read_fleet(const Value& value, const Environment& environment, Mistakes& mistakes) {
  TableReader table(value, "fleet", mistakes);
  table.refuse_unknown({"peers", "port", "sample"});
  FleetConfig fleet;
  const std::string app = environment("FLY_APP_NAME").value_or("");
  if (!app.empty()) fleet.peers = app + ".internal";
  if (const auto peers = table.read<std::string>("peers", to_peers)) fleet.peers = *peers;
  if (const auto port = table.integer("port", {.min = 1, .max = port_max})) {
    fleet.port = static_cast<std::uint16_t>(*port);
  }
  if (const auto sample = table.integer("sample", {.min = 1, .max = sample_max})) {
    fleet.sample = static_cast<std::size_t>(*sample);
  }
  return fleet;
}

}  // namespace vitals::config
