// TOML as our own tree: order, places, and texts that toml++ alone does not survive.
#include <doctest/doctest.h>

#include "agent/config/document.hpp"

namespace vitals::config {
namespace {

Value document(std::string_view text) {
  auto parsed = parse_document(text);
  if (!parsed) FAIL(parsed.error().message);
  return std::move(parsed).value();
}

std::string error_of(std::string_view text) {
  const auto parsed = parse_document(text);
  if (parsed) return "none";
  const auto& error = parsed.error();
  return std::to_string(error.place.line) + ":" + std::to_string(error.place.column);
}

TEST_CASE("TOML: keys keep the order of the file and know their place") {
  const auto root = document("z = 1\n  a = [1, 2]\n[t.y]\nk = 'v'\n[t.x]\ni = { c = 1, b = 2 }\n");
  REQUIRE(root.children.size() == 3);
  CHECK(root.children[0].key == "z");
  CHECK(root.children[1].key == "a");
  CHECK(root.children[1].place.line == 2);
  CHECK(root.children[1].place.column == 3);
  const Value& t = *root.find("t");
  REQUIRE(t.children.size() == 2);
  CHECK(t.children[0].key == "y");
  CHECK(t.children[1].place.line == 5);
  CHECK(t.children[1].place.column == 4);
  const Value& inner = *t.find("x")->find("i");
  CHECK(inner.children[0].key == "c");
  CHECK(inner.children[1].place.column == 14);
  CHECK(root.find("nothing") == nullptr);
}

TEST_CASE("TOML: values keep their types") {
  const auto root =
      document("a = 1\nb = 1.5\nc = true\nd = 's'\ne = [1]\nf = {}\ng = 2026-01-01\n");
  using Type = Value::Type;
  const std::vector<Type> types{Type::integer, Type::number, Type::flag,  Type::text,
                                Type::list,    Type::table,  Type::moment};
  for (std::size_t i = 0; i < types.size(); ++i) CHECK(root.children[i].type == types[i]);
  CHECK(root.find("a")->integer == 1);
  CHECK(root.find("b")->number == 1.5);
  CHECK(root.find("c")->flag);
  CHECK(root.find("d")->text == "s");
}

TEST_CASE("TOML: letters above ASCII are free in strings, also behind a line that goes on") {
  const auto root = document("a = \"é\"\nb = \"\"\"x\\\n  é\"\"\"\n'ü' = 1 # ö\n");
  CHECK(root.find("a")->text == "é");
  CHECK(root.find("b")->text == "xé");
  CHECK(root.find("ü") != nullptr);
}

TEST_CASE("TOML: what is none ends in an error with a place, whatever it is") {
  CHECK(error_of("[%]") == "1:2");
  CHECK(error_of("a = 1\né = 2") == "2:1");
  CHECK(error_of("a =0\"\xef\xbb\x9f\"") != "none");
  CHECK(error_of("a = 12\xcd\x9f-3") != "none");
  CHECK(error_of(std::string_view("[\0a]", 4)) == "1:2");
  CHECK(error_of("a = \"\xff\"") != "none");
  CHECK(error_of("a = ") != "none");
  CHECK(error_of(std::string(100'000, '[')) != "none");
  CHECK(error_of("a = " + std::string(100'000, '[')) != "none");
  CHECK(error_of("a = {" + std::string(50'000, 'b')) != "none");
}

TEST_CASE("TOML: tables in tables without end are refused, without harm") {
  const auto dotted = [](int count) {
    std::string text = "a";
    for (int i = 0; i < count; ++i) text += ".a";
    return text;
  };
  CHECK(error_of(dotted(100'000) + " = 1") == "1:1");
  CHECK(error_of("b = 1\n[" + dotted(100'000) + "]") == "2:1");
  CHECK(error_of("[" + dotted(900) + "]") != "none");
  CHECK(error_of("[" + dotted(20) + "]") == "none");
  std::string nested = "x = ";
  for (int i = 0; i < 10; ++i) nested += "[{\n" + dotted(900) + " = ";
  CHECK(error_of(nested) != "none");
  CHECK(error_of("a = \"\"\"\n" + std::string(5'000, '.') + "\"\"\"") == "none");
}

}  // namespace
}  // namespace vitals::config
