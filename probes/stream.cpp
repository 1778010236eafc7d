// Reads and writes through recv/send or OpenSSL, waiting as long as the deadline allows.
#include "probes/stream.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace vitals::net {
namespace {

/// Nothing when `fd` became ready.
std::optional<Failure> await(int fd, short events, const Deadline& deadline,
                             std::string_view what) {
  switch (wait_for(fd, events, deadline)) {
    case Wait::ready:
      return std::nullopt;
    case Wait::interrupted:
      return interrupted();
    case Wait::timeout:
      return Failure{Reason::timeout, std::string(what)};
  }
  VITALS_ASSERT(false);
  return std::nullopt;
}

constexpr std::string_view no_data = "no answer";
constexpr std::string_view not_taken = "the peer does not read what was sent";

/// One step of SSL_read or SSL_write that did not succeed: what to wait for, or how it ended.
struct Step {
  short events = 0;
  bool closed = false;
  std::optional<Failure> failure{};
};

Step step_of(SSL* ssl, int returned, int saved_errno) {
  switch (SSL_get_error(ssl, returned)) {
    case SSL_ERROR_WANT_READ:
      return {.events = POLLIN};
    case SSL_ERROR_WANT_WRITE:
      return {.events = POLLOUT};
    case SSL_ERROR_ZERO_RETURN:
      return {.closed = true};
    case SSL_ERROR_SYSCALL:
      if (saved_errno == 0) return {.closed = true};
      return {.failure = from_errno(saved_errno, "TLS connection")};
    default:
      break;
  }
  const auto error = ERR_peek_last_error();
  ERR_clear_error();
  // Many servers close without a goodbye; that is an end, not an attack on a probe.
  if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
      ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    return {.closed = true};
  }
  return {.failure = tls::handshake_failure(0, error)};
}

NetResult<std::size_t> read_tls(const Stream& stream, std::span<char> buffer,
                                const Deadline& deadline) {
  while (true) {
    std::size_t count = 0;
    ERR_clear_error();
    errno = 0;
    const int done = SSL_read_ex(stream.ssl.get(), buffer.data(), buffer.size(), &count);
    if (done == 1) return count;
    const auto step = step_of(stream.ssl.get(), done, errno);
    if (step.closed) return std::size_t{0};
    if (step.failure) return *step.failure;
    if (auto failure = await(stream.fd.get(), step.events, deadline, no_data)) return *failure;
  }
}

NetResult<std::size_t> read_plain(const Stream& stream, std::span<char> buffer,
                                  const Deadline& deadline) {
  while (true) {
    const auto count = recv(stream.fd.get(), buffer.data(), buffer.size(), 0);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return from_errno(errno, "read");
    if (auto failure = await(stream.fd.get(), POLLIN, deadline, no_data)) return *failure;
  }
}

/// How much of `data` went, at least one byte.
NetResult<std::size_t> write_tls(const Stream& stream, std::string_view data,
                                 const Deadline& deadline) {
  while (true) {
    std::size_t count = 0;
    ERR_clear_error();
    errno = 0;
    const int done = SSL_write_ex(stream.ssl.get(), data.data(), data.size(), &count);
    if (done == 1) return count;
    const auto step = step_of(stream.ssl.get(), done, errno);
    if (step.closed) return Failure{Reason::reset, "the peer closed the connection"};
    if (step.failure) return *step.failure;
    if (auto failure = await(stream.fd.get(), step.events, deadline, not_taken)) return *failure;
  }
}

NetResult<std::size_t> write_plain(const Stream& stream, std::string_view data,
                                   const Deadline& deadline) {
  while (true) {
    const auto count = send(stream.fd.get(), data.data(), data.size(), MSG_NOSIGNAL);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return from_errno(errno, "write");
    if (auto failure = await(stream.fd.get(), POLLOUT, deadline, not_taken)) return *failure;
  }
}

}  // namespace

NetResult<OpenedStream> open_stream(const Endpoint& endpoint, tls::Client* tls,
                                    const Deadline& deadline, PhaseTimes& phases) {
  auto connected = open(endpoint, IpFamily::any, deadline, phases);
  if (!connected) return connected.error();
  OpenedStream opened{{std::move(connected.value().fd), nullptr}, connected.value().peer, {}};
  if (tls == nullptr) return opened;

  const auto begin = Clock::now();
  auto session = tls->handshake(opened.stream.fd.get(), endpoint.host, deadline);
  phases.set(Phase::tls, Clock::now() - begin);
  if (!session) return session.error();
  opened.stream.ssl = std::move(session.value().ssl);
  opened.tls = std::move(session.value().peer);
  return opened;
}

NetResult<std::size_t> read_some(const Stream& stream, std::span<char> buffer,
                                 const Deadline& deadline) {
  VITALS_ASSERT(!buffer.empty());
  // A peer that never stops talking must not outlive the deadline.
  if (deadline.expired()) return Failure{Reason::timeout, std::string(no_data)};
  return stream.ssl ? read_tls(stream, buffer, deadline) : read_plain(stream, buffer, deadline);
}

std::optional<Failure> write_all(const Stream& stream, std::string_view data,
                                 const Deadline& deadline) {
  while (!data.empty()) {
    if (deadline.expired()) return Failure{Reason::timeout, std::string(not_taken)};
    const auto count =
        stream.ssl ? write_tls(stream, data, deadline) : write_plain(stream, data, deadline);
    if (!count) return count.error();
    data.remove_prefix(count.value());
  }
  return std::nullopt;
}

std::optional<Failure> await_refusal(const Stream& stream, const tls::Peer& peer,
                                     const Deadline& deadline) {
  SSL* const ssl = stream.ssl.get();
  if (!peer.asked_for_ours || SSL_version(ssl) < TLS1_3_VERSION) return std::nullopt;
  // Its ticket may have been taken in with the handshake.
  const bool waits = SSL_has_pending(ssl) == 0;
  const auto limit = deadline.at_most(certificate_patience);
  switch (waits ? wait_for(stream.fd.get(), POLLIN, limit) : Wait::ready) {
    case Wait::timeout:
      return std::nullopt;
    case Wait::interrupted:
      return interrupted();
    case Wait::ready:
      break;
  }
  char first = 0;
  std::size_t count = 0;
  ERR_clear_error();
  errno = 0;
  const int done = SSL_peek_ex(ssl, &first, 1, &count);
  return done == 1 ? std::nullopt : step_of(ssl, done, errno).failure;
}

void say_goodbye(const Stream& stream) {
  if (!stream.ssl || SSL_is_init_finished(stream.ssl.get()) != 1) return;
  std::array<char, 256> ignored{};
  std::size_t count = 0;
  // Reading takes in a session ticket that has arrived meanwhile.
  SSL_read_ex(stream.ssl.get(), ignored.data(), ignored.size(), &count);
  SSL_shutdown(stream.ssl.get());
  ERR_clear_error();
}

}  // namespace vitals::net
