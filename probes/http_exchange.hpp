// One HTTP request and its answer over a connection that is already there, through libcurl.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/fd.hpp>
#include <vitals/probe.hpp>

#include "probes/net.hpp"
#include "probes/tls.hpp"

namespace vitals::http {

/// A head longer than this, interim answers and trailers included, is too_large.
inline constexpr std::size_t head_max = std::size_t{64} * 1024;

/// How a proxy is used: `fd` of the request leads to it.
struct ProxyUse {
  bool has_user = false;
  std::string user;  // as sent, not percent-encoded
  std::string password;
  /// What CONNECT names when the URL's host is only a name for TLS; empty: the URL's host.
  std::string connect_to;
};

/// Everything it refers to outlives the exchange.
struct ExchangeRequest {
  std::string url;
  std::string_view host;  // that the certificate must be for; in details
  std::string_view method;
  const std::vector<std::string>& headers;
  const std::string* body = nullptr;  // null: none
  const tls::TlsSettings& tls;
  std::optional<ProxyUse> proxy;
  /// The connection must be verified from scratch, without a kept TLS session.
  bool full_handshake = false;
  /// Asked when the head is complete: how much of the body is wanted. The rest is not read;
  /// 0: the exchange is over. Nothing: all of it, up to body_max.
  std::function<std::optional<std::size_t>(int status)> body_wanted;
  std::size_t body_max = 0;
};

struct ExchangeAnswer {
  int status = 0;           // of the final head; 0: none came
  std::string status_text;  // "Service Unavailable", as the server put it
  std::string head;         // header lines of the final head
  std::string body;
  bool body_cut = false;          // there was more than was wanted
  std::optional<tls::Peer> peer;  // also of a handshake that failed with a certificate at hand
  PhaseTimes phases;              // tls, request, transfer: those that were reached
  /// Absent: the answer is complete, or complete as far as it was wanted.
  std::optional<net::Failure> failure;
};

/// Keeps what is worth keeping between exchanges: libcurl's handles and TLS sessions. Used on one
/// thread at a time. Blocks until the answer is there, the deadline, or its interrupt.
class HttpExchange {
 public:
  HttpExchange();
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  [[nodiscard]] ExchangeAnswer run(const ExchangeRequest& request, Fd connection,
                                   const Deadline& deadline);

  /// `location` as a reference resolved against `base` (RFC 3986); nothing when it is no URL.
  [[nodiscard]] static std::optional<std::string> resolve_reference(const std::string& base,
                                                                    const std::string& location);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitals::http
