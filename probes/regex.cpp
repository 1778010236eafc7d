// Matches text with PCRE2 under limits; the only file that knows PCRE2.
#include "probes/regex.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <optional>
#include <utility>

namespace vitals {
namespace {

// A hostile subject costs at most this many steps (about 20 ms on a shared CPU), which a sensible
// pattern over 64 KiB never needs.
constexpr std::uint32_t match_steps_max = 1'000'000;
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
  std::uint32_t options = PCRE2_NEVER_BACKSLASH_C;
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

}  // namespace

struct Pattern::Impl {
  Code code;
  MatchContext limits;
};

Pattern::Pattern(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Result<Pattern> Pattern::compile(std::string_view text, Flags flags) {
  if (text.size() > text_max) {
    return Error{"longer than " + std::to_string(text_max) + " bytes"};
  }
  const CompileContext context(pcre2_compile_context_create(nullptr));
  VITALS_ASSERT(context != nullptr);
  pcre2_set_parens_nest_limit(context.get(), nesting_max);
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(
      pcre2_compile(bytes(text), text.size(), options_of(flags), &error, &offset, context.get()));
  if (!code) return Error{message_of(error) + " at offset " + std::to_string(offset)};

  MatchContext limits(pcre2_match_context_create(nullptr));
  VITALS_ASSERT(limits != nullptr);
  pcre2_set_match_limit(limits.get(), match_steps_max);
  pcre2_set_depth_limit(limits.get(), match_depth_max);
  pcre2_set_heap_limit(limits.get(), match_heap_kib_max);
  return Pattern(std::make_shared<const Impl>(Impl{std::move(code), std::move(limits)}));
}

Match Pattern::matches(std::string_view subject) const {
  const MatchData data(pcre2_match_data_create_from_pattern(impl_->code.get(), nullptr));
  VITALS_ASSERT(data != nullptr);
  const int found = pcre2_match(impl_->code.get(), bytes(subject), subject.size(), 0, 0, data.get(),
                                impl_->limits.get());
  if (found >= 0) return Match::yes;
  return found == PCRE2_ERROR_NOMATCH ? Match::no : Match::limit;
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
