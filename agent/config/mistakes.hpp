// Collects everything that is wrong with a configuration, to be told at once and in file order.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/config/document.hpp"

namespace vitals::config {

/// "checks.db" and "headers" make "checks.db.headers"; keys that need quotes get them, and what
/// could harm a terminal is dropped.
[[nodiscard]] std::string join_path(std::string_view path, std::string_view key);

class Mistakes {
 public:
  /// `source` is the file as the user named it.
  explicit Mistakes(std::string source) : source_(std::move(source)) {}

  /// `path` is the table that holds the key: "checks.db"; empty for the document. For a variable it
  /// is not shown. The message must not hold secrets. The same mistake twice counts once.
  void add(const Place& place, std::string_view path, std::string_view message);

  /// What a mistake there begins with: "vitals.toml:14:3: checks.db: ".
  [[nodiscard]] std::string place_text(const Place& place, std::string_view path) const;

  [[nodiscard]] bool empty() const { return mistakes_.empty(); }
  /// File order; what concerns variables comes last.
  [[nodiscard]] ConfigMistakes lines() const;

 private:
  struct Mistake {
    int line;
    int column;
    bool variable;
    std::string text;
  };

  std::string source_;
  std::vector<Mistake> mistakes_;
  std::unordered_set<std::string> told_;
};

}  // namespace vitals::config
