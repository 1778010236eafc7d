// Makes the sockets of sockets.hpp.
#include "tests/support/sockets.hpp"

#include <netinet/in.h>
#include <poll.h>

#include <cerrno>
#include <stdexcept>

#include "probes/net.hpp"

namespace vitals::test {
namespace {

constexpr int fillers_max = 64;
/// A loopback connect that is not answered within this is not going to be for a second.
constexpr int answer_ms = 60;

net::Address address_of(const std::string& host, std::uint16_t port) {
  const auto address = net::numeric_address(host, port);
  if (!address) throw std::runtime_error("not a numeric address: " + host);
  return *address;
}

const sockaddr* raw(const net::Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.storage);
}

Fd bound(const std::string& host, std::uint16_t port, std::uint16_t& chosen) {
  auto address = address_of(host, port);
  Fd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(fd.get(), raw(address), address.length) != 0) {
    throw std::runtime_error("can't bind " + address.text());
  }
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.length);
  chosen = ntohs(reinterpret_cast<const sockaddr_in&>(address.storage).sin_port);  // same in v6
  return fd;
}

}  // namespace

DeafListener::DeafListener(const std::string& host, std::uint16_t port, int backlog)
    : host_(host), fd_(bound(host, port, port_)) {
  if (listen(fd_.get(), backlog) != 0) throw std::runtime_error("can't listen");
}

void DeafListener::fill() {
  listen(fd_.get(), 0);
  const auto address = address_of(host_, port_);
  for (int i = 0; i < fillers_max; ++i) {
    Fd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int done = connect(fd.get(), raw(address), address.length);
    pollfd polled{fd.get(), POLLOUT, 0};
    const bool answered = done == 0 || poll(&polled, 1, answer_ms) > 0;
    fillers_.push_back(std::move(fd));
    if (!answered) return;
  }
  throw std::runtime_error("the backlog does not fill up");
}

Fd DeafListener::accept() const { return Fd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

RefusingPort::RefusingPort(const std::string& host, std::uint16_t port)
    : fd_(bound(host, port, port_)) {}

}  // namespace vitals::test
