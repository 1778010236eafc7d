// What a benchmark is: a function that measures something and returns rows of the one table.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/time.hpp>

namespace vitals::bench {

class Servers;

/// One line of the table.
struct Row {
  std::string name;
  std::string goal;  // empty: reported only
  std::string measured;
  std::string beside{};  // what others need for the same, in the same run
  bool met = true;
};

/// A number below its goal is good; one above it marks the row.
struct Goal {
  double most = 0;
  std::string_view unit{};  // "µs", "MB"; empty: a count
  int decimals = 1;
};
[[nodiscard]] std::string with_unit(double value, std::string_view unit, int decimals = 1);
[[nodiscard]] Row at_most(std::string name, const Goal& goal, double measured,
                          std::string beside = {});
/// The same with words after the number: what else was seen.
[[nodiscard]] Row at_most(std::string name, const Goal& goal, double measured, std::string beside,
                          const std::string& remark);

/// "name figure", or "name: why not" when `measure` throws (it is not installed, it fell over).
[[nodiscard]] std::string beside(const std::string& name,
                                 const std::function<std::string()>& measure);
[[nodiscard]] std::string listed(const std::vector<std::string>& figures);

[[nodiscard]] double microseconds(Elapsed time);
[[nodiscard]] double milliseconds(Elapsed time);
/// The value that `share` of the others stay below; 0 of none. `values` need no order.
[[nodiscard]] double percentile(std::vector<double> values, double share);

struct Context {
  bool quick = false;  // a look instead of a measurement: fewer rounds, shorter
  Servers& servers;

  [[nodiscard]] int rounds(int full, int quick_rounds) const { return quick ? quick_rounds : full; }
  [[nodiscard]] std::chrono::seconds time(std::chrono::seconds full,
                                          std::chrono::seconds quick_time) const {
    return quick ? quick_time : full;
  }
};

// The benchmarks. Each may throw std::exception: the table then says what went wrong in place of
// its rows.
std::vector<Row> measure_size(Context& context);         // size.cpp
std::vector<Row> measure_rest(Context& context);         // rest.cpp
std::vector<Row> measure_startup(Context& context);      // startup.cpp
std::vector<Row> measure_parent(Context& context);       // parent.cpp
std::vector<Row> measure_health(Context& context);       // serving.cpp
std::vector<Row> measure_metrics(Context& context);      // serving.cpp
std::vector<Row> measure_busy(Context& context);         // busy.cpp
std::vector<Row> measure_page(Context& context);         // page.cpp
std::vector<Row> measure_crowd(Context& context);        // crowd.cpp
std::vector<Row> measure_descriptors(Context& context);  // crowd.cpp
std::vector<Row> measure_schedule(Context& context);     // schedule.cpp
std::vector<Row> measure_attempts(Context& context);     // attempts.cpp
std::vector<Row> measure_front(Context& context);        // front.cpp
std::vector<Row> measure_footprint(Context& context);    // footprint.cpp

}  // namespace vitals::bench
