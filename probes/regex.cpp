// Matches text with PCRE2 under limits; the only file that knows PCRE2.
#include "probes/regex.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <time.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <chrono>
#include <optional>
#include <utility>

#include <vitals/text.hpp>

namespace vitals {
namespace {

// PCRE2 counts steps for each place a match may start at, so both are needed: this many steps at
// one place (about 20 ms on a shared CPU), which a sensible pattern over 64 KiB never needs…
constexpr std::uint32_t match_steps_max = 1'000'000;
/// …and this much of the thread's CPU time for all places together.
constexpr std::chrono::milliseconds search_time_max{50};
/// Places that PCRE2 tries in one call, between two looks at the clock.
constexpr std::size_t window_max = 4'096;
constexpr std::uint32_t match_depth_max = 20'000;
constexpr std::uint32_t match_heap_kib_max = 2'048;
// Config is trusted, typing mistakes are not: (((((…
constexpr std::uint32_t nesting_max = 50;

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeCompileContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using Code = std::unique_ptr<pcre2_code, FreeCode>;
using CompileContext = std::unique_ptr<pcre2_compile_context, FreeCompileContext>;
using MatchContext = std::unique_ptr<pcre2_match_context, FreeMatchContext>;
using MatchData = std::unique_ptr<pcre2_match_data, FreeMatchData>;

PCRE2_SPTR bytes(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 160> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

std::uint32_t options_of(Pattern::Flags flags) {
  std::uint32_t options = PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT;
  if (flags.ignore_case) options |= PCRE2_CASELESS;
  if (flags.multi_line) options |= PCRE2_MULTILINE;
  if (flags.dot_all) options |= PCRE2_DOTALL;
  return options;
}

std::optional<Pattern::Flags> flags_of(std::string_view letters) {
  Pattern::Flags flags;
  for (const char letter : letters) {
    if (letter == 'i') {
      flags.ignore_case = true;
    } else if (letter == 'm') {
      flags.multi_line = true;
    } else if (letter == 's') {
      flags.dot_all = true;
    } else {
      return std::nullopt;
    }
  }
  return flags;
}

std::chrono::nanoseconds cpu_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

/// Where a match can start, as far as its first byte tells. PCRE2 looks for such a place by itself,
/// but beyond the end of a window, again for each.
class Starts {
 public:
  explicit Starts(const pcre2_code* code) {
    std::uint32_t type = 0;
    pcre2_pattern_info(code, PCRE2_INFO_FIRSTCODETYPE, &type);
    line_start_ = type == 2;
    const std::uint8_t* bitmap = nullptr;
    pcre2_pattern_info(code, PCRE2_INFO_FIRSTBITMAP, &bitmap);
    if (type == 1) {
      std::uint32_t first = 0;
      pcre2_pattern_info(code, PCRE2_INFO_FIRSTCODEUNIT, &first);
      // PCRE2 does not tell whether its case matters.
      for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
        bytes_[byte] = to_lower(static_cast<char>(byte)) == to_lower(static_cast<char>(first));
      }
    } else if (bitmap != nullptr) {
      for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
        bytes_[byte] = (bitmap[byte / 8] >> (byte % 8) & 1U) != 0;
      }
    } else {
      bytes_.set();
      may_be_empty_ = true;
    }
  }

  /// The first place at `from` or later; nothing when there is none.
  [[nodiscard]] std::optional<std::size_t> next(std::string_view subject, std::size_t from) const {
    for (; from < subject.size(); ++from) {
      if (line_start_ && from > 0 && subject[from - 1] != '\n') continue;
      if (bytes_[static_cast<unsigned char>(subject[from])]) return from;
    }
    return may_be_empty_ && from == subject.size() ? std::optional(from) : std::nullopt;
  }

 private:
  std::bitset<256> bytes_;
  bool line_start_ = false;
  bool may_be_empty_ = false;  // a match at the very end is possible
};

}  // namespace

struct Pattern::Impl {
  Code code;
  MatchContext limits;
  Starts starts;
};

Pattern::Pattern(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Result<Pattern> Pattern::compile(std::string_view text, Flags flags) {
  if (text.size() > text_max) {
    return Error{"longer than " + std::to_string(text_max) + " bytes"};
  }
  const CompileContext context(pcre2_compile_context_create(nullptr));
  VITALS_ASSERT(context != nullptr);
  pcre2_set_parens_nest_limit(context.get(), nesting_max);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(
      pcre2_compile(bytes(text), text.size(), options_of(flags), &error, &offset, context.get()));
  if (!code) return Error{message_of(error) + " at offset " + std::to_string(offset)};

  MatchContext limits(pcre2_match_context_create(nullptr));
  VITALS_ASSERT(limits != nullptr);
  pcre2_set_depth_limit(limits.get(), match_depth_max);
  pcre2_set_heap_limit(limits.get(), match_heap_kib_max);
  const Starts starts(code.get());
  return Pattern(std::make_shared<const Impl>(Impl{std::move(code), std::move(limits), starts}));
}

Match Pattern::matches(std::string_view subject) const {
  const pcre2_code* code = impl_->code.get();
  const MatchData data(pcre2_match_data_create_from_pattern(code, nullptr));
  const MatchContext limits(pcre2_match_context_copy(impl_->limits.get()));
  VITALS_ASSERT(data != nullptr && limits != nullptr);
  const auto end = cpu_time() + search_time_max;
  std::size_t window = 1;
  std::size_t window_limit = window_max;
  auto from = impl_->starts.next(subject, 0);
  while (from) {
    // No window can cost more than one place may.
    pcre2_set_match_limit(limits.get(), match_steps_max / static_cast<std::uint32_t>(window));
    pcre2_set_offset_limit(limits.get(), *from + window - 1);
    const int found =
        pcre2_match(code, bytes(subject), subject.size(), *from, 0, data.get(), limits.get());
    if (found >= 0) return Match::yes;
    if (found == PCRE2_ERROR_NOMATCH) {
      from = impl_->starts.next(subject, *from + window);
      window = std::min(window * 2, window_limit);
    } else if (found == PCRE2_ERROR_MATCHLIMIT && window > 1) {
      window_limit = window = std::max<std::size_t>(1, window / 4);  // and the same place again
    } else {
      return Match::limit;
    }
    if (from && cpu_time() > end) return Match::limit;
  }
  return Match::no;
}

std::string_view give_up_note(Match match) {
  return match == Match::limit ? ", the search was given up: simplify the pattern"
                               : std::string_view();
}

Result<Matcher> Matcher::parse(std::string_view text) {
  if (text.empty()) return Error{"empty; write the text to look for, or /a regular expression/"};
  Matcher matcher;
  const auto last = text.rfind('/');
  const auto flags = text.front() == '/' && last > 0 && last != std::string_view::npos
                         ? flags_of(text.substr(last + 1))
                         : std::nullopt;
  if (!flags) {
    matcher.shown_ = "\"" + std::string(text) + "\"";
    matcher.substring_ = text;
    return matcher;
  }
  const auto inner = text.substr(1, last - 1);
  if (inner.empty()) return Error{"empty regular expression; write /text/"};
  auto pattern = Pattern::compile(inner, *flags);
  if (!pattern) return Error{"not a regular expression: " + pattern.error().message};
  matcher.shown_ = text;
  matcher.pattern_ = std::make_shared<const Pattern>(std::move(pattern).value());
  return matcher;
}

Match Matcher::find_in(std::string_view subject) const {
  if (pattern_) return pattern_->matches(subject);
  return subject.find(substring_) != std::string_view::npos ? Match::yes : Match::no;
}

}  // namespace vitals
