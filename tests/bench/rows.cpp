// Turns what was measured into the words of the table.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>

#include "tests/bench/bench.hpp"

namespace vitals::bench {

std::string with_unit(double value, std::string_view unit, int decimals) {
  return fmt::format("{:.{}f}{}{}", value, decimals, unit.empty() ? "" : " ", unit);
}

Row at_most(std::string name, const Goal& goal, double measured, std::string beside) {
  return at_most(std::move(name), goal, measured, std::move(beside), "");
}

Row at_most(std::string name, const Goal& goal, double measured, std::string beside,
            const std::string& remark) {
  Row row{.name = std::move(name),
          .goal = "≤ " + with_unit(goal.most, goal.unit, goal.decimals),
          .measured = with_unit(measured, goal.unit, goal.decimals),
          .beside = std::move(beside),
          .met = measured <= goal.most};
  if (!remark.empty()) row.measured += "; " + remark;
  return row;
}

std::string beside(const std::string& name, const std::function<std::string()>& measure) {
  try {
    return name + " " + measure();
  } catch (const std::exception& error) {
    std::string why = error.what();
    return name + ": " + why.substr(0, why.find('\n'));
  }
}

std::string listed(const std::vector<std::string>& figures) {
  return fmt::format("{}", fmt::join(figures, ", "));
}

double microseconds(Elapsed time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

double milliseconds(Elapsed time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto last = static_cast<double>(values.size() - 1);
  const auto place = values.begin() + std::lround(last * share);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

}  // namespace vitals::bench
