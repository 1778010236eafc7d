// One HTTP question to a running agent, under one deadline. libcurl stays in client.cpp.
#pragma once

#include <string>

#include <vitals/result.hpp>
#include <vitals/time.hpp>

namespace vitals::cli {

struct ClientRequest {
  std::string method = "GET";
  std::string url;
  std::string bearer;  // empty: none
  Duration timeout{5'000};
};

struct ClientAnswer {
  int status = 0;
  std::string body;  // at most client_body_max bytes
};

inline constexpr std::size_t client_body_max = 4 * 1024 * 1024;

/// Blocks until the answer or the timeout. No redirects, no proxy of the environment. The error
/// names the URL and the cause.
[[nodiscard]] Result<ClientAnswer> ask_agent(const ClientRequest& request);

}  // namespace vitals::cli
