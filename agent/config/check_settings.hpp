// The settings of one check as its kind reads them: include/vitals/settings.hpp over a table.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/kind.hpp>
#include <vitals/secrets.hpp>
#include <vitals/settings.hpp>

#include "agent/config/file_text.hpp"
#include "agent/config/table_reader.hpp"

namespace vitals::config {

class CheckSettings final : public Settings {
 public:
  struct Input {
    const KindSpec& kind;
    TableReader& table;  // of the check; common keys are not ours
    std::shared_ptr<SecretSet> secrets;
    FileReader read_file;
    std::vector<std::string>& remarks;  // of the whole config
  };
  /// What `input` refers to must outlive it.
  explicit CheckSettings(Input input) : input_(std::move(input)) {}

  std::string check_name() const override;
  bool has(std::string_view name) const override;
  std::string text(std::string_view name) override;
  Text live_text(std::string_view name) override;
  std::int64_t integer(std::string_view name, IntegerRange range) override;
  double number(std::string_view name, NumberRange range) override;
  bool flag(std::string_view name) override;
  Duration duration(std::string_view name, DurationRange range) override;
  std::int64_t size(std::string_view name, IntegerRange range) override;
  std::string choice(std::string_view name) override;
  std::vector<std::string> list(std::string_view name) override;
  std::vector<std::pair<std::string, Text>> table(std::string_view name) override;
  void complain(std::string_view name, std::string message) override;
  void remark(std::string message) override;
  std::function<void(std::string_view value)> secret_sink() override;
  Scrub secret_scrubber() override;

  /// After the factory: complains of required settings that it did not miss itself.
  void finish();
  /// What was written and the defaults in force, one "name=value" line each, in declared order,
  /// with the content of files that are read once. Holds secrets.
  [[nodiscard]] std::string canonical() const;

 private:
  [[nodiscard]] const SettingSpec& spec_of(std::string_view name) const;
  /// The value in force: what the user wrote if it is right, else the declared default.
  template <typename T>
  std::optional<T> read(const SettingSpec& spec,
                        const std::function<Result<T>(const Value&)>& convert);
  Result<Text> to_live_text(const SettingSpec& spec, const Value& written);
  Result<std::string> load_file(const SettingSpec& spec, const Value& written);
  void keep_secret(const SettingSpec& spec, std::string_view value);
  /// Takes out all that might be a secret in what was written, however malformed.
  [[nodiscard]] std::string hush(std::string_view message) const;

  Input input_;
  std::map<std::string, std::string, std::less<>> read_once_;  // setting → content of its file
  std::vector<std::string> loaded_files_;
};

/// May this setting be `{ file = "/path" }`? Any URL, header, token or password may.
[[nodiscard]] bool allows_file(const SettingSpec& spec);

}  // namespace vitals::config
