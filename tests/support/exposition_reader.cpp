// A strict reader of both exposition formats.
#include "tests/support/exposition_reader.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string_view>

namespace vitals::test {
namespace {

constexpr std::string_view name_letters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:";

[[noreturn]] void refuse(const std::string& line, const std::string& why) {
  throw std::runtime_error(why + ": " + line);
}

/// Takes a name off the front.
std::string take_name(std::string_view& text, const std::string& line) {
  const auto length = std::min(text.find_first_not_of(name_letters), text.size());
  if (length == 0 || (text[0] >= '0' && text[0] <= '9')) refuse(line, "no name");
  std::string name(text.substr(0, length));
  text.remove_prefix(length);
  return name;
}

void expect(std::string_view& text, char c, const std::string& line) {
  if (text.empty() || text.front() != c) refuse(line, std::string("no '") + c + "'");
  text.remove_prefix(1);
}

std::string take_label_value(std::string_view& text, const std::string& line) {
  expect(text, '"', line);
  std::string value;
  while (!text.empty() && text.front() != '"') {
    char c = text.front();
    text.remove_prefix(1);
    if (c == '\\') {
      if (text.empty()) refuse(line, "escape at the end");
      c = text.front();
      text.remove_prefix(1);
      if (c != '\\' && c != '"' && c != 'n') refuse(line, "unknown escape");
      if (c == 'n') c = '\n';
    }
    value += c;
  }
  expect(text, '"', line);
  return value;
}

SampleLine read_sample(const std::string& line) {
  SampleLine sample;
  std::string_view text = line;
  sample.name = take_name(text, line);
  if (!text.empty() && text.front() == '{') {
    do {
      text.remove_prefix(1);
      std::string label = take_name(text, line);
      expect(text, '=', line);
      sample.labels.emplace_back(std::move(label), take_label_value(text, line));
    } while (!text.empty() && text.front() == ',');
    expect(text, '}', line);
  }
  expect(text, ' ', line);
  const std::string number(text);
  char* end = nullptr;
  sample.value = std::strtod(number.c_str(), &end);
  if (number.empty() || *end != '\0') refuse(line, "no number");
  return sample;
}

bool belongs(const SampleLine& sample, const ReadFamily& family, bool openmetrics) {
  if (family.type == "histogram") {
    constexpr std::array suffixes{"_bucket", "_sum", "_count"};
    return std::ranges::any_of(
        suffixes, [&](const char* suffix) { return sample.name == family.name + suffix; });
  }
  if (family.type == "counter" && openmetrics) return sample.name == family.name + "_total";
  return sample.name == family.name;
}

/// "# HELP name text" or "# TYPE name type".
void read_comment(const std::string& line, std::vector<ReadFamily>& families) {
  std::string_view text = line;
  text.remove_prefix(std::string_view("# HELP ").size());
  const std::string name = take_name(text, line);
  expect(text, ' ', line);
  if (line.starts_with("# HELP ")) {
    const bool known =
        std::ranges::any_of(families, [&](const auto& family) { return family.name == name; });
    if (known) refuse(line, "family twice");
    families.push_back({.name = name, .type = {}, .help = std::string(text), .samples = {}});
    return;
  }
  if (families.empty() || families.back().name != name || !families.back().type.empty()) {
    refuse(line, "TYPE without its HELP before it");
  }
  families.back().type = text;
}

}  // namespace

std::vector<ReadFamily> read_page(const std::string& page, bool openmetrics) {
  std::vector<ReadFamily> families;
  std::set<std::string> series;
  bool ended = false;
  if (!page.ends_with('\n')) refuse(page.substr(page.size() / 2), "no newline at the end");
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (ended) refuse(line, "something after # EOF");
    if (openmetrics && line == "# EOF") {
      ended = true;
    } else if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) {
      read_comment(line, families);
    } else {
      SampleLine sample = read_sample(line);
      if (families.empty() || families.back().type.empty()) refuse(line, "sample without TYPE");
      if (!belongs(sample, families.back(), openmetrics)) refuse(line, "sample of another family");
      if (!series.insert(line.substr(0, line.rfind(' '))).second) refuse(line, "series twice");
      families.back().samples.push_back(std::move(sample));
    }
  }
  if (ended != openmetrics) refuse("", "# EOF");
  return families;
}

bool has_series(const std::vector<ReadFamily>& page, const std::string& name,
                const SampleLabels& labels) {
  return std::ranges::any_of(page, [&](const ReadFamily& family) {
    return std::ranges::any_of(family.samples, [&](const SampleLine& sample) {
      return sample.name == name && sample.labels == labels;
    });
  });
}

double value_of(const std::vector<ReadFamily>& page, const std::string& name,
                const SampleLabels& labels) {
  for (const ReadFamily& family : page) {
    for (const SampleLine& sample : family.samples) {
      if (sample.name == name && sample.labels == labels) return sample.value;
    }
  }
  std::string wanted = name;
  for (const auto& [label, value] : labels) wanted += " " + label + "=" + value;
  throw std::runtime_error("no series " + wanted);
}

}  // namespace vitals::test
