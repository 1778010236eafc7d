// The token leaves this Machine for the configured agent alone.
#include "agent/cli/agent_url.hpp"

#include <doctest/doctest.h>

#include <string>

namespace vitals::cli {
namespace {

TEST_CASE("agent URL: loopback is known for certain, in whatever shape another host comes") {
  for (const std::string url :
       {"http://127.0.0.1:9100", "http://127.0.0.1", "http://127.9.9.9:1/x",
        "http://localhost:9100/health", "http://[::1]:9100", "http://[::1]"}) {
    CAPTURE(url);
    CHECK(leads_to_loopback(url));
  }
  for (const std::string url :
       {"http://10.0.0.1:9100", "http://example.com", "http://127.0.0.1@example.com",
        "http://127.0.0.1:80@example.com", "http://example.com/127.0.0.1",
        "http://example.com#@127.0.0.1", "http://example.com\\@127.0.0.1", "http://127.1",
        "http://0x7f.0.0.1", "http://[::2]", "http://localhost.example.com", "127.0.0.1",
        "http://127.0.0.1.example.com:9100", "http://", "http://[fdaa::1]:9100"}) {
    CAPTURE(url);
    CHECK_FALSE(leads_to_loopback(url));
  }
}

}  // namespace
}  // namespace vitals::cli
