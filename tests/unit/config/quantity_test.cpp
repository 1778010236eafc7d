// Durations and sizes: what is accepted, what is exact, what is refused.
#include <doctest/doctest.h>

#include "agent/config/quantity.hpp"

namespace vitals::config {
namespace {

long long milliseconds(std::string_view text) {
  const auto duration = parse_duration(text);
  REQUIRE_MESSAGE(duration.ok(), text);
  return duration.value().count();
}

TEST_CASE("durations: every unit, fractions that come out even, and units in falling order") {
  CHECK(milliseconds("500ms") == 500);
  CHECK(milliseconds("10s") == 10'000);
  CHECK(milliseconds("2m") == 120'000);
  CHECK(milliseconds("1h") == 3'600'000);
  CHECK(milliseconds("14d") == 1'209'600'000);
  CHECK(milliseconds("1.5s") == 1'500);
  CHECK(milliseconds("0.001s") == 1);
  CHECK(milliseconds("1.25m") == 75'000);
  CHECK(milliseconds("1h30m") == 5'400'000);
  CHECK(milliseconds("1m0.5s") == 60'500);
  CHECK(milliseconds("0s") == 0);
}

TEST_CASE("durations: what has no unit is told how to write it") {
  CHECK(parse_duration("10").error().message ==
        "is a duration without unit; write \"10s\" (units: ms, s, m, h, d)");
}

TEST_CASE("durations: everything else is refused") {
  for (const auto* text : {"",
                           " ",
                           "s",
                           "10 s",
                           " 10s",
                           "10s ",
                           "-1s",
                           "+1s",
                           "1e3s",
                           ".5s",
                           "5.s",
                           "1.5",
                           "10S",
                           "10sec",
                           "1m1h",
                           "1s1s",
                           "1,5s",
                           "0.5ms",
                           "0.0001s",
                           "١s",
                           "99999999999999999999s",
                           "999999999999999d",
                           "1.1234567s",
                           "1h30"}) {
    CAPTURE(text);
    CHECK(!parse_duration(text).ok());
  }
}

TEST_CASE("durations: the printed form is short and reads back as the same") {
  CHECK(format_duration(Duration(0)) == "0s");
  CHECK(format_duration(Duration(500)) == "500ms");
  CHECK(format_duration(Duration(1'500)) == "1500ms");
  CHECK(format_duration(Duration(10'000)) == "10s");
  CHECK(format_duration(Duration(90'000)) == "90s");
  CHECK(format_duration(Duration(120'000)) == "2m");
  CHECK(format_duration(Duration(86'400'000)) == "24h");
  for (const long long count :
       {1LL, 999LL, 1'000LL, 59'999LL, 60'000LL, 3'600'000LL, 123'456'789LL}) {
    CHECK(milliseconds(format_duration(Duration(count))) == count);
  }
}

TEST_CASE("sizes: bytes with and without unit") {
  CHECK(parse_size("512").value() == 512);
  CHECK(parse_size("0").value() == 0);
  CHECK(parse_size("512B").value() == 512);
  CHECK(parse_size("64KiB").value() == 65'536);
  CHECK(parse_size("1.5MiB").value() == 1'572'864);
  CHECK(parse_size("10MB").value() == 10'000'000);
  CHECK(parse_size("1kB").value() == 1'000);
  CHECK(parse_size("2GiB").value() == 2'147'483'648);
  CHECK(parse_size("1TiB").value() == 1'099'511'627'776);
}

TEST_CASE("sizes: everything else is refused") {
  for (const auto* text : {"", "KiB", "64 KiB", "-1", "64kib", "1.5", "0.3B", "64KiB ", "1KiB1B",
                           "99999999999999999999", "999999999999999TiB"}) {
    CAPTURE(text);
    CHECK(!parse_size(text).ok());
  }
}

}  // namespace
}  // namespace vitals::config
