// The set of strings that must never be shown, and the one function that removes them.
#pragma once

#include <bitset>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

/// Whether `text` is one word of what we write ourselves, in any case: the name of a kind, a
/// scheme, a status, reason or role ("postgres", "replica", "timeout"). Somebody's password may be
/// the same; as a label it is ours.
[[nodiscard]] bool is_own_word(std::string_view text);

/// Secrets of one check, or of a whole config. Thread-safe: config loading adds while building, the
/// check's thread adds what it reads from files, and scrubs.
class SecretSet {
 public:
  /// At most this many (unless told otherwise) distinct values added after loaded() are kept; the
  /// longest unused goes first, so a rotating secret can't grow the set. What the config itself
  /// holds is never dropped.
  static constexpr std::size_t secrets_max = 64;

  /// Shorter values are not looked for in free text: they are in every other word.
  static constexpr std::size_t scrubbed_min = 4;
  /// Shorter values, and words of our own, stay with the check they belong to.
  static constexpr std::size_t shared_min = 8;

  explicit SecretSet(std::size_t later_max = secrets_max);
  ~SecretSet();
  SecretSet(const SecretSet&) = delete;
  SecretSet& operator=(const SecretSet&) = delete;

  /// Remembers `value` and what it is when URL-decoded. Values of fewer than
  /// scrubbed_min bytes are ignored.
  void add(std::string_view value);

  /// From now on added values are ones read again from files, and may be dropped.
  void loaded();

  /// From now on what is added here goes to `others` as well, and scrub() takes out theirs, too: a
  /// dependency may be told, or echo, what belongs to another. Only values of shared_min bytes or
  /// more (after "Bearer " and its like) that are no word of our own go either way, or one check's
  /// password "postgres" would blot out what all others say. Replaces what was shared with before.
  void share_with(std::shared_ptr<SecretSet> others);

  /// Whether a text is all of it, or may end in the middle of a secret.
  enum class Ending { whole, cut };

  /// `text` with every secret replaced by "***", in whatever form it comes back: as is, URL-encoded
  /// (whatever characters the encoder spares, also twice), JSON- or backslash-escaped, as HTML,
  /// mixtures of these, with control characters in it, and in base64 (standard and URL alphabet,
  /// with and without padding, at each of the three alignments inside a longer base64 text, itself
  /// encoded again or not). With Ending::cut also a beginning of four bytes or more at the end. Of
  /// what looks like a token (16 bytes or more without blanks, a digit among them) a beginning of
  /// twelve bytes or more wherever it stands.
  /// Meant for prose: structure (targets, enumerated labels) holds no secret and is not given here.
  [[nodiscard]] std::string scrub(std::string_view text, Ending ending = Ending::whole) const;

 private:
  struct Form;
  struct Secret {
    std::string value;
    std::vector<Form> forms;
    std::bitset<256> first_bytes;  // of its forms, and of what may be read back as one
    bool kept = true;
    bool shared = false;
  };
  struct Manner {
    Ending ending = Ending::whole;
    bool shared_alone = false;
  };
  [[nodiscard]] std::string scrub_in(std::string_view text, const Manner& manner) const;
  void add_locked(std::string_view value);
  void drop_oldest_locked();
  void mark_locked(std::string_view text, std::size_t begin, const Manner& manner,
                   std::string& covered) const;

  const std::size_t later_max_;
  mutable std::mutex mutex_;
  std::shared_ptr<SecretSet> others_;
  std::vector<Secret> secrets_;
  std::bitset<256> first_bytes_;  // of all forms
  bool loaded_ = false;
};

}  // namespace vitals
