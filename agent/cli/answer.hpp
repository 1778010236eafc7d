// An agent's JSON answer as the commands read it: whatever it says is fit for a terminal.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vitals/time.hpp>

namespace vitals::cli {

/// A value of the answer; immutable. What is not there reads as empty: an agent of another version,
/// or what is no agent at all, must not end a command.
class Answer {
 public:
  /// Nothing when it is no JSON object.
  [[nodiscard]] static std::optional<Answer> parse(const std::string& body);

  [[nodiscard]] bool has(std::string_view key) const;
  /// A member of this object.
  [[nodiscard]] Answer at(std::string_view key) const;
  /// A string without control characters and cut like server text; a number or flag as JSON writes
  /// it; "" for anything else.
  [[nodiscard]] std::string text(std::string_view key) const;
  /// Of an element of a list.
  [[nodiscard]] std::string text() const;
  /// ISO 8601 in UTC, to the second; nothing for another text.
  [[nodiscard]] std::optional<WallTime> time(std::string_view key) const;
  /// Members of an object with their names, elements of a list with empty ones.
  [[nodiscard]] std::vector<std::pair<std::string, Answer>> children() const;
  /// All of it, two-space indented, valid UTF-8, with a newline.
  [[nodiscard]] std::string document() const;

 private:
  struct Node;
  explicit Answer(std::shared_ptr<const Node> node);
  std::shared_ptr<const Node> node_;  // never null
};

}  // namespace vitals::cli
