// The command line: what was asked for, or what is wrong with it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <vitals/result.hpp>
#include <vitals/time.hpp>

namespace vitals::cli {

/// Exit codes of contract §2.
inline constexpr int exit_ok = 0;
inline constexpr int exit_warn = 1;     // only with --fail-on warn
inline constexpr int exit_failure = 1;  // serve: could not go on
inline constexpr int exit_fail = 2;     // verdict fail, or no agent answers
inline constexpr int exit_usage = 3;    // usage or config error

enum class OutputFormat { text, json };

struct Arguments {
  std::string command;
  std::vector<std::string> names;  // what stands without a dash
  std::optional<std::filesystem::path> config;
  std::optional<Duration> wait;
  std::string ttl;  // as written: the agent reads it
  OutputFormat format = OutputFormat::text;
  /// run: the supervisor's end of the link is at this descriptor. Hidden: nobody types it.
  std::optional<int> link;
  bool fail_on_warn = false;
  bool print = false;
  bool watch = false;
  bool help = false;
};

/// `words` without the program's name. The error names the word and the way out.
[[nodiscard]] Result<Arguments> parse_arguments(const std::vector<std::string>& words);

/// The text of `vitals --help`.
[[nodiscard]] std::string usage();

}  // namespace vitals::cli
