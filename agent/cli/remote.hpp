// What the commands that talk to a running agent share: where it is, and how they ask it.
#pragma once

#include <string>

#include <vitals/result.hpp>

#include "agent/cli/arguments.hpp"

namespace vitals::cli {

struct RemoteAgent {
  std::string url;    // no slash at the end
  std::string token;  // empty: none
};

/// The URL of the command line (`url` is its place among the names), else the one of the config;
/// the token of the config, else $VITALS_TOKEN. The token goes to the agent of the config and to
/// this Machine: any other URL may be a stranger's. A config that does not load is an error only
/// when it was named.
[[nodiscard]] Result<RemoteAgent> find_agent(const Arguments& arguments, std::size_t url = 0);

/// `text` without the token and without what is secret in the URL: what is there may be no agent,
/// and repeat what it was asked with.
[[nodiscard]] std::string without_secrets(const RemoteAgent& agent, const std::string& text);

/// Like encodeURIComponent.
[[nodiscard]] std::string encoded(std::string_view text);

}  // namespace vitals::cli
