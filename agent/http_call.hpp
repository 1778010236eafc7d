// One HTTP exchange of the agent's own under one deadline. libcurl stays in http_call.cpp.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <vitals/result.hpp>
#include <vitals/time.hpp>

namespace vitals {

struct HttpCall {
  std::string method = "GET";
  std::string url;  // http or https
  /// Path of a Unix socket to connect to, whatever host the URL names; empty: none.
  std::string unix_socket{};
  std::vector<std::string> headers{};  // "Accept: text/plain"
  std::size_t body_max = 0;            // of the answer; a larger one is too_large
};

struct HttpCallAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
};

struct HttpCallFailure {
  enum class Cause { unreachable, timeout, too_large };
  Cause cause = Cause::unreachable;
  std::string detail;  // names no URL
};

/// Blocks until the whole answer, the deadline, or its interrupt (which is a timeout, too). A fresh
/// connection, no redirects, no proxy of the environment, no body in the request.
[[nodiscard]] Result<HttpCallAnswer, HttpCallFailure> http_call(const HttpCall& call,
                                                                const Deadline& deadline);

}  // namespace vitals
