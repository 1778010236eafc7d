// From the table of one check to a CheckSpec and a live probe: common keys, defaults, references.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <vitals/kind.hpp>

#include "agent/config/config.hpp"
#include "agent/config/file_text.hpp"
#include "agent/config/table_reader.hpp"

namespace vitals::config {

/// `[defaults]`: what is not set there is decided per check.
struct Timing {
  std::optional<Duration> interval;
  std::optional<Duration> retry_interval;
  std::optional<Duration> timeout;
  std::optional<int> fall;
  std::optional<int> rise;
  std::optional<double> jitter;
};
/// The table itself: what contradicts itself there is a mistake, whatever the checks say.
[[nodiscard]] Timing read_defaults(TableReader& table);
[[nodiscard]] std::vector<std::string_view> timing_keys();

/// The keys that every check knows, as `vitals kinds` shows them; those of [defaults] come first.
[[nodiscard]] std::span<const SettingSpec> common_settings();

/// A check with the table it came from. Its name may be a bad one, which is a recorded mistake:
/// then nobody can refer to it.
struct ReadCheck {
  ConfiguredCheck check;
  const Value* table = nullptr;   // borrowed from the document
  bool may_stay_unknown = false;  // MadeProbe's
};

class CheckReader {
 public:
  struct Input {
    std::span<const KindSpec* const> kinds;
    TableReader& defaults_table;
    Timing defaults;
    FileReader read_file;
    Mistakes& mistakes;
    std::vector<std::string>& remarks;
  };
  explicit CheckReader(Input input) : input_(std::move(input)) {}

  /// Every mistake is recorded; what comes back is only of use when there are none.
  [[nodiscard]] ReadCheck read(const Value& value);

 private:
  const KindSpec* read_kind(TableReader& table);
  void resolve_timing(CheckSpec& spec, TableReader& table);
  void resolve_impact(CheckSpec& spec, TableReader& table, const MadeProbe& made);

  Input input_;
};

/// Parents that are not there, are the check itself, or go round in a circle. Groups may be
/// parents.
void check_parents(const std::vector<ReadCheck>& checks,
                   const std::vector<std::shared_ptr<const CheckSpec>>& groups, Mistakes& mistakes);

// Keys that groups have in common with checks.
[[nodiscard]] std::optional<Impact> read_impact(TableReader& table);
[[nodiscard]] std::optional<Scope> read_scope(TableReader& table);
[[nodiscard]] std::vector<std::pair<std::string, std::string>> read_labels(TableReader& table);

}  // namespace vitals::config
