// How the agent gives the front door to the supervisor.
#include "agent/front/hand_over.hpp"

#include <algorithm>
#include <array>

#include "agent/child/link.hpp"
#include "agent/child/spawn.hpp"
#include "agent/serve/listener.hpp"
#include "agent/text/listen_address.hpp"

namespace vitals::front {

Fd inherited_page() { return child::inherited_descriptor(child::agent_page_fd); }

Result<std::optional<OpenDoor>> open_door(const Config& config) {
  if (config.app.front.empty()) return std::optional<OpenDoor>();
  auto listener = http::open_listener(config.app.front, "[app] front");
  if (!listener) return listener.error();
  auto page = Page::create({config.app.front, config.app.upstream});
  if (!page) return page.error();
  return std::optional<OpenDoor>(OpenDoor{std::move(page).value(), std::move(listener.value().fd)});
}

Result<std::optional<OpenDoor>> take_door_over(Fd inherited) {
  if (!inherited) return std::optional<OpenDoor>();
  auto page = Page::open(std::move(inherited));
  if (!page) return page.error();
  return std::optional<OpenDoor>(OpenDoor{std::move(page).value(), {}});
}

std::optional<Error> hand_over(const Config& config, int link, int listener, int page) {
  child::HelperMessage message;
  message.type = child::HelperMessage::Type::door;
  auto& upstream = message.front.upstream;
  static_assert(std::tuple_size_v<std::remove_cvref_t<decltype(upstream)>> > listen_address_max);
  VITALS_ASSERT(config.app.upstream.size() <= listen_address_max);
  std::copy(config.app.upstream.begin(), config.app.upstream.end(), upstream.begin());
  message.front.log_level = static_cast<std::uint32_t>(config.log.level);
  message.front.json_log = config.log.format == LogFormat::json;
  const std::array<int, child::passed_descriptors> descriptors{listener, page};
  if (child::send_bytes(link, &message, sizeof message, &descriptors)) return std::nullopt;
  return Error{"can't hand the front door to the supervisor"};
}

}  // namespace vitals::front
