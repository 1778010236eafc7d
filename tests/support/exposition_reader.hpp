// Reads a metrics page the way a strict scraper does.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace vitals::test {

using SampleLabels = std::vector<std::pair<std::string, std::string>>;

struct SampleLine {
  std::string name;
  SampleLabels labels;  // unescaped, in order of appearance
  double value = 0;
};

struct ReadFamily {
  std::string name;  // as in # TYPE
  std::string type;
  std::string help;
  std::vector<SampleLine> samples;
};

/// Families in order. Throws std::runtime_error with the line for anything out of place: a sample
/// before its HELP and TYPE or under another family's, a family twice, a series twice, bad names,
/// bad escapes, a value that is no number, a missing or misplaced # EOF (`openmetrics`).
std::vector<ReadFamily> read_page(const std::string& page, bool openmetrics);

/// The value of a series in either page; throws when it is not there.
double value_of(const std::vector<ReadFamily>& page, const std::string& name,
                const SampleLabels& labels = {});
bool has_series(const std::vector<ReadFamily>& page, const std::string& name,
                const SampleLabels& labels = {});

}  // namespace vitals::test
