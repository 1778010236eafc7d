// From a value of the document to a value of the program: one function per type, used for what
// people write and for declared defaults alike. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/kind.hpp>
#include <vitals/result.hpp>
#include <vitals/settings.hpp>

#include "agent/config/document.hpp"

namespace vitals::config {

// Every error is the end of a sentence that begins with the name of the setting: "must be …".
[[nodiscard]] Result<std::string> to_text(const Value& value);
[[nodiscard]] Result<std::int64_t> to_integer(const Value& value, IntegerRange range);
[[nodiscard]] Result<double> to_number(const Value& value, NumberRange range);
[[nodiscard]] Result<bool> to_flag(const Value& value);
[[nodiscard]] Result<Duration> to_duration(const Value& value, DurationRange range);
[[nodiscard]] Result<std::int64_t> to_size(const Value& value, IntegerRange range);
/// `choices` as in SettingSpec: "any|primary|replica".
[[nodiscard]] Result<std::string> to_choice(const Value& value, std::string_view choices);
[[nodiscard]] Result<std::vector<std::string>> to_list(const Value& value);
/// Strings, integers, numbers and flags as their TOML text.
[[nodiscard]] Result<std::string> to_scalar_text(const Value& value);

/// Whether the system lets us listen there is for the listener to find out.
[[nodiscard]] Result<std::string> to_listen_address(const Value& value);

/// What a message may quote of a text: as it was written, variables by their names, and without the
/// passwords of URLs.
[[nodiscard]] std::string quotable(const Value& value);

/// The path of `{ file = "/path" }`; nothing when `value` is no such table.
[[nodiscard]] std::optional<std::string> file_path(const Value& value);

/// Whether `value` of that setting must never be shown.
[[nodiscard]] bool is_secret(const SettingSpec& spec, std::string_view value);

/// True when an expansion inside of it failed: a mistake that is recorded already.
[[nodiscard]] bool is_broken(const Value& value);

/// "any|primary|replica" in its parts.
[[nodiscard]] std::vector<std::string_view> split_choices(std::string_view choices);

/// What the user might have written instead of nothing; nothing when no default is declared.
/// A declaration that is not of its own type is our bug (assert).
[[nodiscard]] std::optional<Value> declared_default(const SettingSpec& spec);

/// "; did you mean 'x'?" or nothing.
[[nodiscard]] std::string suggest(std::string_view word,
                                  const std::vector<std::string_view>& candidates);

}  // namespace vitals::config
