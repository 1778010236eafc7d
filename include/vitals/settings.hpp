// How a kind reads its settings: typed, range-checked, every complaint collected with its place.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vitals/result.hpp>
#include <vitals/secrets.hpp>
#include <vitals/time.hpp>

namespace vitals {

/// A string that may live in a file: `"text"` or `{ file = "/path" }`. Copyable.
class Text {
 public:
  using Source = std::function<Result<std::string>()>;

  Text() : Text(fixed({})) {}
  explicit Text(Source source) : source_(std::move(source)) {}
  static Text fixed(std::string value) {
    return Text([value = std::move(value)]() -> Result<std::string> { return value; });
  }

  /// The value now; a file is read again (blocking disk I/O, at most 64 KiB, one trailing newline
  /// dropped). The error names the path and the cause. Ask once for each new connection.
  [[nodiscard]] Result<std::string> read() const { return source_(); }

 private:
  Source source_;
};

struct IntegerRange {
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};
struct NumberRange {
  double min = 0;
  double max = std::numeric_limits<double>::max();
};
struct DurationRange {
  Duration min{1};
  Duration max = std::chrono::hours(24 * 3650);
};

using Scrub = std::function<std::string(std::string_view text, SecretSet::Ending ending)>;

/// The settings of one check as its kind sees them. Names are those of KindSpec::settings (any
/// other name is a bug: assert). A missing setting yields the declared default; a wrong one is
/// recorded as a complaint with file:line:column and yields a harmless value, so a factory reads
/// straight through and never branches on mistakes. Used on the loading thread only.
class Settings {
 public:
  virtual ~Settings() = default;

  /// The name of the check: for what a kind writes down elsewhere (a row, a key).
  [[nodiscard]] virtual std::string check_name() const { return "vitals"; }

  /// True when the user wrote it (not merely a default).
  [[nodiscard]] virtual bool has(std::string_view name) const = 0;
  /// Expanded; the current content for a file setting (then also a secret).
  [[nodiscard]] virtual std::string text(std::string_view name) = 0;
  /// For what may change under us: URLs, tokens, passwords, headers.
  [[nodiscard]] virtual Text live_text(std::string_view name) = 0;
  [[nodiscard]] virtual std::int64_t integer(std::string_view name, IntegerRange range) = 0;
  [[nodiscard]] virtual double number(std::string_view name, NumberRange range) = 0;
  [[nodiscard]] virtual bool flag(std::string_view name) = 0;
  [[nodiscard]] virtual Duration duration(std::string_view name, DurationRange range) = 0;
  /// Bytes: a number or "64KiB".
  [[nodiscard]] virtual std::int64_t size(std::string_view name, IntegerRange range) = 0;
  /// One of SettingSpec::choices; always a valid one.
  [[nodiscard]] virtual std::string choice(std::string_view name) = 0;
  /// One string or an array of strings (integers are accepted as text: `[200, "300-399"]`).
  [[nodiscard]] virtual std::vector<std::string> list(std::string_view name) = 0;
  /// A table of strings in file order: headers, JSON pointers. Numbers and booleans are accepted as
  /// their TOML text where SettingSpec::scalars says so.
  [[nodiscard]] virtual std::vector<std::pair<std::string, Text>> table(std::string_view name) = 0;

  /// Records a mistake at the place of `name` (of the check when it was not written). The message
  /// says what is wrong and the way out: "not a URL: no host; write http://host:port/path".
  virtual void complain(std::string_view name, std::string message) = 0;
  /// Says something once in the log that is no mistake: an ignored URL parameter.
  virtual void remark(std::string message) = 0;
  /// `value` must never appear in any answer, label or log. Live texts add themselves; a kind adds
  /// what it takes out of a URL (password, query values). Callable at any time from the check's
  /// thread as well: keep the returned function for secrets read later from files.
  [[nodiscard]] virtual std::function<void(std::string_view value)> secret_sink() = 0;
  /// SecretSet::scrub() of this check. The runner scrubs every detail; what a kind cuts, decodes or
  /// takes apart before, it scrubs itself, or pieces of a secret would be left. Thread-safe.
  [[nodiscard]] virtual Scrub secret_scrubber() = 0;
};

}  // namespace vitals
