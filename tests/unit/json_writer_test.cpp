// JSON text: valid for every byte there is.
#include "agent/json_writer.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <limits>

namespace vitals {
namespace {

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST_SUITE("json") {
  TEST_CASE("json: every single byte, alone and inside text, gives a valid string") {
    for (int byte = 0; byte < 256; ++byte) {
      const std::string text = std::string("a") + static_cast<char>(byte) + "z";
      const auto parsed = nlohmann::json::parse(json_string(text));
      REQUIRE(parsed.is_string());
      const std::string back = parsed;
      CHECK(back == (byte < 128 ? text : "a\xEF\xBF\xBDz"));
    }
  }

  TEST_CASE("json: well-formed UTF-8 passes, ill-formed does not") {
    const std::string bad = "\xEF\xBF\xBD";
    CHECK(json_string("é€😀") == "\"é€😀\"");
    CHECK(json_string("\xC0\xAF") == "\"" + bad + bad + "\"");            // overlong '/'
    CHECK(json_string("\xE0\x80\xAF") == "\"" + bad + bad + bad + "\"");  // overlong, three bytes
    CHECK(json_string("\xED\xA0\x80") == "\"" + bad + bad + bad + "\"");  // a surrogate
    CHECK(json_string("\xF4\x90\x80\x80") ==
          "\"" + bad + bad + bad + bad + "\"");                 // above U+10FFFF
    CHECK(json_string("\xE2\x82") == "\"" + bad + bad + "\"");  // cut short at the end
    CHECK(json_string("\xE2\x82x") == "\"" + bad + bad + "x\"");
  }

  TEST_CASE("json: a document is indented by two, empty pairs stay together") {
    JsonWriter json;
    json.begin_object();
    json.text("a", "x");
    json.begin_array("list");
    json.begin_object();
    json.integer("n", -7);
    json.number("v", 4.10);
    json.end_object();
    json.integer({}, 2);
    json.end_array();
    json.begin_object("none");
    json.end_object();
    json.flag("yes", true);
    json.end_object();
    CHECK(std::move(json).finish() ==
          "{\n"
          "  \"a\": \"x\",\n"
          "  \"list\": [\n"
          "    {\n"
          "      \"n\": -7,\n"
          "      \"v\": 4.1\n"
          "    },\n"
          "    2\n"
          "  ],\n"
          "  \"none\": {},\n"
          "  \"yes\": true\n"
          "}\n");
  }

  TEST_CASE("json: numbers are JSON numbers or are left out") {
    for (const double value : {0.0, -0.001, 1e300, 83.0, 0.126, 1234567.891}) {
      JsonWriter json;
      json.begin_object();
      json.number("v", value);
      json.end_object();
      const auto parsed = nlohmann::json::parse(std::move(json).finish());
      CHECK(parsed["v"].get<double>() == doctest::Approx(value).epsilon(0.01));
    }
    JsonWriter json;
    json.begin_object();
    json.number("nan", std::numeric_limits<double>::quiet_NaN());
    json.number("inf", std::numeric_limits<double>::infinity());
    json.end_object();
    CHECK(std::move(json).finish() == "{}\n");
  }
}

}  // namespace
}  // namespace vitals
