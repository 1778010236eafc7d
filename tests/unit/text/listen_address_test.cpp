// Listen addresses as tables: what can be bound without asking anybody, and what can't.
#include "agent/text/listen_address.hpp"

#include <doctest/doctest.h>

#include <string>

namespace vitals {
namespace {

std::string read(std::string_view text) {
  const auto address = parse_listen_address(text);
  if (!address) return "none";
  return (address->v6 ? "6 " : "4 ") + address->host + " " + std::to_string(address->port);
}

TEST_CASE("listen address: numeric hosts with a port are read, and nothing else") {
  CHECK(read("127.0.0.1:9100") == "4 127.0.0.1 9100");
  CHECK(read("localhost:0") == "4 127.0.0.1 0");
  CHECK(read("[::]:9100") == "6 :: 9100");
  CHECK(read("[fdaa::1]:65535") == "6 fdaa::1 65535");
  for (const std::string_view text :
       {"", ":", ":9100", "9100", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:+1", "127.0.0.1:80 ", "999.1.1.1:80", "my-host:80", "::1:80", "[::1]", "[]:80",
        "[127.0.0.1]:80", "[localhost]:80", "[::1%eth0]:80", "127.1:80"}) {
    CAPTURE(text);
    CHECK(read(text) == "none");
  }
  CHECK(read(std::string_view("127.0.0.1\0x:80", 14)) == "none");
}

TEST_CASE("listen address: no text that is one is longer than the places that are kept for it") {
  const std::string longest = "[0000:0000:0000:0000:0000:ffff:255.255.255.255]:65535";
  CHECK(read(longest) == "6 0000:0000:0000:0000:0000:ffff:255.255.255.255 65535");
  CHECK(longest.size() == listen_address_max);
  CHECK(read("127.0.0.1:00080") == "4 127.0.0.1 80");
  CHECK(read("127.0.0.1:000080") == "none");
  CHECK(read("127.0.0.1:" + std::string(100, '0') + "80") == "none");
  CHECK(read("[::]:000080") == "none");
}

bool share(std::string_view one, std::string_view other) {
  const auto a = parse_listen_address(one);
  const auto b = parse_listen_address(other);
  REQUIRE(a);
  REQUIRE(b);
  CHECK(overlap(*a, *b) == overlap(*b, *a));
  return overlap(*a, *b);
}

TEST_CASE("listen address: two on one port overlap when some address is behind both") {
  CHECK(share("127.0.0.1:80", "127.0.0.1:80"));
  CHECK(share("localhost:80", "127.0.0.1:80"));
  CHECK(share("[::]:80", "[::]:80"));
  CHECK(share("[::]:80", "0.0.0.0:80"));
  CHECK(share("[::]:80", "127.0.0.1:80"));
  CHECK(share("[::]:80", "[fdaa::1]:80"));
  CHECK(share("0.0.0.0:80", "10.0.0.1:80"));
  CHECK(share("[::1]:80", "[0:0:0:0:0:0:0:1]:80"));
  CHECK(share("[::ffff:127.0.0.1]:80", "127.0.0.1:80"));
  CHECK(share("[::ffff:127.0.0.1]:80", "0.0.0.0:80"));
  CHECK_FALSE(share("[::]:80", "[::]:81"));
  CHECK_FALSE(share("[::]:0", "[::]:0"));
  CHECK_FALSE(share("127.0.0.1:80", "127.0.0.2:80"));
  CHECK_FALSE(share("0.0.0.0:80", "[::1]:80"));
  CHECK_FALSE(share("127.0.0.1:80", "[::1]:80"));
}

}  // namespace
}  // namespace vitals
