// The set of strings that must never be shown, and the one function that removes them.
#pragma once

#include <bitset>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

/// Secrets of one check (or of the server). Thread-safe: config loading adds while building, the
/// check's thread adds what it reads from files, and scrubs.
class SecretSet {
 public:
  /// At most this many distinct values added after loaded() are kept; the longest unused goes
  /// first, so a rotating secret can't grow the set. What the config itself holds is never dropped.
  static constexpr std::size_t secrets_max = 64;

  SecretSet();
  ~SecretSet();
  SecretSet(const SecretSet&) = delete;
  SecretSet& operator=(const SecretSet&) = delete;

  /// Remembers `value` with the forms it can come back in: as is, URL-encoded (both cases),
  /// URL-decoded, base64 (standard and URL alphabet, with and without padding, at each of the
  /// three alignments inside a longer base64 text), JSON-escaped. Empty values are ignored.
  void add(std::string_view value);

  /// From now on added values are ones read again from files, and may be dropped.
  void loaded();

  /// `text` with every form of every secret replaced by "***". Values of fewer than four bytes are
  /// replaced only where they stand alone (not inside a longer word).
  [[nodiscard]] std::string scrub(std::string_view text) const;

 private:
  struct Form;
  struct Secret {
    std::string value;
    std::vector<Form> forms;
    bool kept = true;
  };
  void drop_oldest_locked();
  void mark_locked(std::string_view text, std::size_t begin, std::string& covered) const;

  mutable std::mutex mutex_;
  std::vector<Secret> secrets_;
  std::bitset<256> first_bytes_;  // of all forms
  bool loaded_ = false;
};

}  // namespace vitals
