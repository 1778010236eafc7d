// Reading and writing a connection, plain or TLS, under a deadline.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "probes/net.hpp"
#include "probes/tls.hpp"

namespace vitals::net {

/// A connection: owns its socket (non-blocking) and the TLS session on it, if there is one.
struct Stream {
  Fd fd;
  tls::SslHandle ssl;  // null: plain
};

/// A connection that is ready to be spoken on.
struct OpenedStream {
  Stream stream;
  Address peer;
  std::optional<tls::Peer> tls;  // nothing: plain
};
/// open(), then the handshake when `tls` is not null (the stream must not outlive it); phases
/// resolve, connect and tls are noted as far as it came.
[[nodiscard]] NetResult<OpenedStream> open_stream(const Endpoint& endpoint, tls::Client* tls,
                                                  const Deadline& deadline, PhaseTimes& phases);

/// Blocks until at least one byte is there; returns how many were put into `buffer` (not empty),
/// 0 when the peer closed in order. Failure: reset, timeout, tls, or timeout when interrupted.
[[nodiscard]] NetResult<std::size_t> read_some(const Stream& stream, std::span<char> buffer,
                                               const Deadline& deadline);

/// Blocks until all is handed to the kernel. Failure as for read_some.
[[nodiscard]] std::optional<Failure> write_all(const Stream& stream, std::string_view data,
                                               const Deadline& deadline);

/// In TLS 1.3 a server judges our certificate, or that there is none, after our side of the
/// handshake is over. Waits for its first word, a ticket or a refusal, when `peer` asked for a
/// certificate, and at most `certificate_patience`: a server may say nothing. For probes that would
/// not read otherwise. Failure: tls, reset, or timeout when interrupted.
inline constexpr Duration certificate_patience{500};
[[nodiscard]] std::optional<Failure> await_refusal(const Stream& stream, const tls::Peer& peer,
                                                   const Deadline& deadline);

/// Tells a TLS peer that the end is meant (close_notify), so that it does not log a broken
/// connection. Never blocks; for healthy connections that are about to be closed.
void say_goodbye(const Stream& stream);

}  // namespace vitals::net
