// A TCP client that says exactly what a test wants, well-formed or not, and reads what comes back.
#include "tests/support/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <stdexcept>
#include <utility>

namespace vitals::test {
namespace {

constexpr std::chrono::seconds answer_limit{60};

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

sockaddr_storage loopback(int family, std::uint16_t port, socklen_t& length) {
  sockaddr_storage storage{};
  if (family == AF_INET6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = in6addr_loopback;
    v6.sin6_port = htons(port);
    length = sizeof v6;
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v4.sin_port = htons(port);
    length = sizeof v4;
  }
  return storage;
}

int remaining_ms(std::chrono::steady_clock::time_point end) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
}

RawAnswer parse_head(std::string_view head) {
  RawAnswer answer;
  const auto code = head.find(' ') + 1;
  std::from_chars(head.data() + code, head.data() + head.size(), answer.status);
  head.remove_prefix(head.find("\r\n") + 2);
  while (head.size() > 2) {
    const auto end = head.find("\r\n");
    const auto colon = head.find(": ");
    answer.headers[lower(std::string(head.substr(0, colon)))] =
        head.substr(colon + 2, end - colon - 2);
    head.remove_prefix(end + 2);
  }
  return answer;
}

}  // namespace

std::string RawAnswer::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

RawClient::RawClient(std::uint16_t port, int family, int receive_buffer)
    : fd_(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  socklen_t length = 0;
  const auto address = loopback(family, port, length);
  if (receive_buffer > 0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const timeval limit{answer_limit.count(), 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (!fd_ || connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    throw std::runtime_error("cannot connect to port " + std::to_string(port));
  }
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto size = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

bool RawClient::fill(std::chrono::steady_clock::time_point end) {
  pollfd waiting{fd_.get(), POLLIN, 0};
  if (poll(&waiting, 1, remaining_ms(end)) <= 0) return false;
  std::array<char, 64 * 1024> chunk{};
  const auto size = recv(fd_.get(), chunk.data(), chunk.size(), 0);
  if (size <= 0) {
    ended_ = true;
    return false;
  }
  buffer_.append(chunk.data(), static_cast<std::size_t>(size));
  return true;
}

std::optional<RawAnswer> RawClient::answer(bool to_head) {
  const auto end = std::chrono::steady_clock::now() + answer_limit;
  std::size_t head_end = 0;
  while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill(end)) return std::nullopt;
  }
  auto answer = parse_head(std::string_view(buffer_).substr(0, head_end + 4));
  buffer_.erase(0, head_end + 4);
  std::size_t length = 0;
  const auto text = answer.header("content-length");
  std::from_chars(text.data(), text.data() + text.size(), length);
  if (to_head) length = 0;
  while (buffer_.size() < length) {
    if (!fill(end)) return std::nullopt;
  }
  answer.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return answer;
}

std::optional<RawAnswer> RawClient::ask(std::string_view bytes) {
  send(bytes);
  return answer();
}

std::string RawClient::until(std::string_view text) {
  const auto end = std::chrono::steady_clock::now() + answer_limit;
  std::size_t found = 0;
  while ((found = buffer_.find(text)) == std::string::npos) {
    if (!fill(end)) return std::exchange(buffer_, {});
  }
  auto taken = buffer_.substr(0, found + text.size());
  buffer_.erase(0, taken.size());
  return taken;
}

std::string RawClient::rest() {
  const auto end = std::chrono::steady_clock::now() + answer_limit;
  while (fill(end)) {
  }
  return std::exchange(buffer_, {});
}

bool RawClient::closes(std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (fill(end)) buffer_.clear();
  return ended_;
}

void RawClient::shutdown_write() { shutdown(fd_.get(), SHUT_WR); }

}  // namespace vitals::test
