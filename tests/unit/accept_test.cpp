// Which format an Accept header and ?format= get.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "agent/serve/endpoints.hpp"

using namespace vitals;

TEST_CASE("accept: the best offer by q-value, then by precision, then by order, wins") {
  struct Row {
    std::string accept;
    Format format;
  };
  const std::vector<Row> rows{
      {"", Format::json},
      {"*/*", Format::json},
      {"*", Format::json},
      {"application/health+json", Format::json},
      {"application/json", Format::json},
      {"APPLICATION/JSON", Format::json},
      {"application/*", Format::json},
      {"text/plain", Format::text},
      {"Text/Plain; charset=utf-8", Format::text},
      {"text/*", Format::text},
      {"text/html", Format::html},
      {"text/plain, */*", Format::text},
      {"*/*, text/plain", Format::text},
      {"text/plain, application/json", Format::text},
      {"application/json, text/plain", Format::json},
      {"text/plain;q=0.5, application/json;q=0.9", Format::json},
      {"text/plain;q=0.9, application/json;q=0.5", Format::text},
      {"text/plain ; q=0.3 , application/json ; Q=0.2", Format::text},
      {"text/plain;q=0, */*;q=0.1", Format::json},
      {"application/json;q=0, application/health+json;q=0, text/plain;q=0.1", Format::text},
      {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::html},
      {"text/plain;q=0.001", Format::text},
      {"text/plain;q=0", Format::json},
      {"text/plain;q=2", Format::json},
      {"text/plain;q=1.5", Format::json},
      {"text/plain;q=", Format::json},
      {"text/plain;q=abc, text/html", Format::html},
      {"image/png", Format::json},
      {"image/png, text/plain;q=0.1", Format::text},
      {",,;;q=x,/,text", Format::json},
      {"text/", Format::json},
  };
  for (const auto& row : rows) {
    CAPTURE(row.accept);
    CHECK(choose_format("", row.accept) == row.format);
  }
}

TEST_CASE("accept: ?format= wins, and an unknown one is JSON") {
  CHECK(choose_format("text", "application/json") == Format::text);
  CHECK(choose_format("line", "application/json") == Format::line);
  CHECK(choose_format("html", "") == Format::html);
  CHECK(choose_format("json", "text/plain") == Format::json);
  CHECK(choose_format("yaml", "text/plain") == Format::json);
  CHECK(choose_format("", "text/plain") == Format::text);
}

TEST_CASE("accept: OpenMetrics goes only to those who name it and prefer it") {
  const auto prefers = [](const std::string& accept) { return prefers_openmetrics(accept); };
  CHECK(prefers("application/openmetrics-text"));
  CHECK(
      prefers("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
              "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
  CHECK(prefers("application/openmetrics-text; version=1.0.0; charset=utf-8"));
  CHECK(prefers("application/openmetrics-text, */*"));
  CHECK_FALSE(prefers("application/openmetrics-text;q=0.5, */*"));
  CHECK_FALSE(prefers(""));
  CHECK_FALSE(prefers("*/*"));
  CHECK_FALSE(prefers("application/*"));
  CHECK_FALSE(prefers("text/plain"));
  CHECK_FALSE(prefers("application/openmetrics-text;version=0.0.1"));
  CHECK_FALSE(prefers("application/openmetrics-text;q=0"));
  CHECK_FALSE(prefers("application/openmetrics-text;q=0.3,text/plain;q=0.5"));
  CHECK_FALSE(prefers("text/plain;version=0.0.4,application/openmetrics-text"));
}
