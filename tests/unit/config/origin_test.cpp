// What one agent leaves to the next of a configuration: there and back, and what is no such thing.
#include "agent/config/origin.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/process.hpp"

namespace vitals {
namespace {

using config::origin_from;
using config::to_bytes;

TEST_CASE("origin: path, text and files come back as they were, whatever is in them") {
  const std::string odd("3:a\0\n:9", 7);
  for (const ConfigOrigin& origin :
       {ConfigOrigin{}, ConfigOrigin{"vitals.toml", "[checks.a]\n", {}},
        ConfigOrigin{odd, odd, {{"/run/url", odd}, {"/run/empty", ""}}}}) {
    const auto back = origin_from(to_bytes(origin));
    REQUIRE(back);
    CHECK(back->path == origin.path);
    CHECK(back->text == origin.text);
    CHECK(back->files == origin.files);
  }
}

TEST_CASE("origin: bytes that are cut or something else are refused") {
  const std::string whole = to_bytes({"name", "text", {{"/path", "content"}}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    // Cut behind the text it is a configuration without files.
    CHECK(origin_from(whole.substr(0, size)).has_value() == (size == 12));
  }
  for (const char* bytes : {"x", ":", "-1:", "5:abc", "99999999999999999999:a", "1"}) {
    CHECK_FALSE(origin_from(bytes));
  }
}

TEST_CASE("origin: a file that is gone is read from it while loading, and never after") {
  const test::TempDir folder;
  const auto url = folder.write("url", "http://127.0.0.1:1/kept");
  const auto token = folder.write("token", "kept-token");
  const auto file =
      folder.write("vitals.toml", "[server]\ntoken = { file = \"" + token.string() + "\" }\n" +
                                      "[checks.a]\nkind = \"http\"\nurl = { file = \"" +
                                      url.string() + "\" }\n");
  const ConfigSource source{file, [](std::string_view) { return std::nullopt; }, nullptr};
  const auto first = load_config(source);
  REQUIRE(first.ok());
  REQUIRE(first.value().origin);
  CHECK(first.value().origin->files.size() == 2);

  std::filesystem::remove(url);
  std::filesystem::remove(token);
  CHECK_FALSE(load_config(source).ok());
  const auto again = load_config(source, *first.value().origin);
  REQUIRE(again.ok());
  CHECK(again.value().checks.front().spec->target == first.value().checks.front().spec->target);
  CHECK(again.value().checks.front().spec->fingerprint ==
        first.value().checks.front().spec->fingerprint);
  // The one after it needs them as much.
  CHECK(again.value().origin->files == first.value().origin->files);
  CHECK_FALSE(again.value().server.token.read().ok());
  folder.write("token", "new-token");
  CHECK(again.value().server.token.read().value() == "new-token");
  CHECK(load_config(source, *first.value().origin).value().origin->files.at(token.string()) ==
        "new-token");
}

}  // namespace
}  // namespace vitals
