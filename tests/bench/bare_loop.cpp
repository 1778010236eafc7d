// The bare loop: edges of epoll, one recv and one send a request, as in the agent's own.
#include "tests/bench/bare_loop.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include <vitals/fd.hpp>

namespace vitals::bench {
namespace {

constexpr int backlog = 1'024;

Fd listen_on(std::uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd.get(), backlog) != 0) {
    throw std::runtime_error("bare loop: can't listen on port " + std::to_string(port));
  }
  return fd;
}

void watch(const Fd& epoll, int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
}

/// False: the client is gone.
bool answer_request(int client, const std::string& answer) {
  std::array<char, 16'384> request;  // filled by the kernel
  return recv(client, request.data(), request.size(), 0) > 0 &&
         send(client, answer.data(), answer.size(), MSG_NOSIGNAL) > 0;
}

}  // namespace

Program bare_loop(const std::string& body) {
  const auto folder = std::make_shared<test::TempDir>();
  const auto file = folder->write("answer",
                                  "HTTP/1.1 200 OK\r\nContent-Type: application/health+json\r\n"
                                  "Cache-Control: no-store\r\nContent-Length: " +
                                      std::to_string(body.size()) + "\r\n\r\n" + body);
  const auto self = std::filesystem::read_symlink("/proc/self/exe").string();
  return {"bare loop", "/", "", [folder, file, self](std::uint16_t port) {
            return test::Command{
                .argv = {self, std::string(bare_loop_word), std::to_string(port), file.string()}};
          }};
}

void serve_bare(std::uint16_t port, const std::string& answer) {
  const Fd listener = listen_on(port);
  const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  watch(epoll, listener.get(), EPOLLIN);
  for (std::array<epoll_event, 256> events;;) {
    const int count = epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd != listener.get()) {
        if (!answer_request(fd, answer)) const Fd gone(fd);
        continue;
      }
      Fd client(accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (client) watch(epoll, client.release(), EPOLLIN | EPOLLRDHUP | EPOLLET);
    }
  }
}

}  // namespace vitals::bench
