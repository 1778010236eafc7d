// The alphabets of names, and the labels that are taken.
#include "agent/text/names.hpp"

#include <algorithm>
#include <array>

namespace vitals {
namespace {

constexpr std::size_t check_name_max = 63;

// Fly overwrites the first four, the next five are ours (contract §6), the last two are those of
// histograms and summaries.
constexpr std::array<std::string_view, 11> labels_taken{"app",    "region", "host",    "instance",
                                                        "check",  "kind",   "impact",  "scope",
                                                        "target", "le",     "quantile"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_small(char c) { return c >= 'a' && c <= 'z'; }

/// Prometheus: [a-zA-Z_][a-zA-Z0-9_]*; two underscores in front are reserved.
bool is_label_name(std::string_view name) {
  const auto letter = [](char c) { return is_small(c) || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && letter(name.front()) && !name.starts_with("__") &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || is_digit(c); });
}

}  // namespace

bool is_check_name(std::string_view name) {
  return !name.empty() && name.size() <= check_name_max &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_small(c) || is_digit(c) || c == '_' || c == '-'; });
}

std::string_view label_name_problem(std::string_view name) {
  if (std::find(labels_taken.begin(), labels_taken.end(), name) != labels_taken.end()) {
    return "is a label that is set already; take another name";
  }
  if (is_label_name(name)) return {};
  return "is no label name; use letters, digits and '_', with a letter first";
}

}  // namespace vitals
