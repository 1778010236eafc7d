// The set of strings that must never be shown, and the one function that removes them.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

/// Secrets of one check (or of the server). Thread-safe: config loading adds while building, the
/// check's thread adds what it reads from files, and scrubs.
class SecretSet {
 public:
  /// At most this many distinct values are kept; the oldest file-read value goes first, so a
  /// rotating secret can't grow the set.
  static constexpr std::size_t secrets_max = 64;

  /// Remembers `value` with the forms it can come back in: as is, URL-encoded (both cases),
  /// URL-decoded, base64 (standard and URL alphabet, with and without padding, at each of the
  /// three alignments inside a longer base64 text), JSON-escaped. Empty values are ignored.
  void add(std::string_view value);

  /// `text` with every form of every secret replaced by "***". Values of fewer than four bytes are
  /// replaced only where they stand alone (not inside a longer word).
  [[nodiscard]] std::string scrub(std::string_view text) const;

 private:
  mutable std::mutex mutex_;
  struct Secret {
    std::string value;
    std::vector<std::string> forms;  // longest first
  };
  std::vector<Secret> secrets_;
};

}  // namespace vitals
