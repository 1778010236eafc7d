// A front door on a free port in this process, and apps to put behind it.
#include "tests/support/front_door.hpp"

#include <stdexcept>

#include "agent/front/address.hpp"
#include "agent/serve/listener.hpp"
#include "tests/support/agent.hpp"
#include "tests/support/golden.hpp"

namespace vitals::test {
namespace {

front::Page new_page() {
  auto page = front::Page::create({});
  if (!page) throw std::runtime_error(page.error().message);
  return std::move(page).value();
}

Process start_node(std::uint16_t port) {
  const auto script = source_dir() / "tests/support/front_app.js";
  return Process({.argv = {"node", script.string(), std::to_string(port)}});
}

}  // namespace

FrontDoor::FrontDoor(std::uint16_t app_port, std::size_t clients_max) : page_(new_page()) {
  auto listener = http::open_listener("127.0.0.1:0");
  if (!listener) throw std::runtime_error(listener.error().message);
  port_ = listener.value().port;
  const auto upstream = front::upstream_addresses("127.0.0.1:" + std::to_string(app_port));
  say({Status::pass, true, true, true, false});
  door_ = std::make_unique<front::Door>(
      std::move(listener.value().fd), front::DoorSettings{upstream.value(), clients_max}, page_,
      [this](front::DoorEvent event) { ++events_[static_cast<std::size_t>(event)]; });
  thread_ = std::thread([this] { door_->run(); });
}

FrontDoor::~FrontDoor() { stop(Duration(0)); }

void FrontDoor::stop(Duration limit) {
  if (!thread_.joinable()) return;
  door_->request_stop(limit);
  thread_.join();
}

std::string FrontDoor::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

int FrontDoor::events(front::DoorEvent event) const {
  return events_[static_cast<std::size_t>(event)];
}

void FrontDoor::say(const front::Verdicts& verdicts) {
  // Tests take longer than an agent may be silent.
  const TimePoint now = Clock::now() + std::chrono::minutes(10);
  page_.say(verdicts, Clock::now() - std::chrono::seconds(100), now);
}

NodeApp::NodeApp() : port_(free_port()), process_(start_node(port_)) {
  if (eventually([this] { return accepts_tcp(port_); })) return;
  throw std::runtime_error("node does not come up: " + process_.output());
}

int NodeApp::seen() const { return std::stoi(http(port_, "/seen").body); }

std::string websocket_request(const std::string& path) {
  return "GET " + path +
         " HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
}

std::string websocket_frame(const std::string& text) {
  // A mask of zeros is a mask.
  return std::string("\x81") + static_cast<char>(0x80 | text.size()) + std::string(4, '\0') + text;
}

}  // namespace vitals::test
