// `vitals lint`: what is wrong with a fly.toml although flyctl lets it pass. Pure: no file is read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals::lint {

/// A file as somebody wrote it, under the name that findings show.
struct SourceFile {
  std::string name;
  std::string text;
};

/// A fly.toml and what stands beside it.
struct Input {
  SourceFile fly;
  std::optional<SourceFile> vitals;      // vitals.toml
  std::optional<SourceFile> dockerfile;  // the one that fly.toml builds
};

/// The names of all rules, one folder each in tests/lint/bad.
[[nodiscard]] std::vector<std::string_view> rule_names();

/// "file:line:column: table: what; why; fix", in file order: fly.toml, vitals.toml, Dockerfile.
/// No value of [env] and no header is ever shown.
[[nodiscard]] std::vector<std::string> lint(const Input& input);

/// The same with one rule alone.
[[nodiscard]] std::vector<std::string> lint(const Input& input, std::string_view rule);

/// The Dockerfile that this fly.toml builds, relative to its folder; nothing when it builds none or
/// one from elsewhere.
[[nodiscard]] std::optional<std::string> dockerfile_of(std::string_view fly_text);

}  // namespace vitals::lint
