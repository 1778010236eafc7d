// Plain values and regular expressions over hostile text, with PCRE2 and its limits.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "probes/pattern.hpp"

#include <pcre2.h>

#include <array>
#include <cstddef>
#include <utility>

namespace vitals {
namespace {

struct CodeFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct DataFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct ContextFree {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

constexpr std::uint32_t heap_kib_max = 1'024;

PCRE2_SPTR bytes(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string message_of(int code) {
  std::array<unsigned char, 128> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

}  // namespace

struct Pattern::Regex {
  std::unique_ptr<pcre2_code, CodeFree> code;

  [[nodiscard]] bool search(std::string_view text) const {
    const std::unique_ptr<pcre2_match_data, DataFree> data(pcre2_match_data_create(1, nullptr));
    const std::unique_ptr<pcre2_match_context, ContextFree> context(
        pcre2_match_context_create(nullptr));
    VITALS_ASSERT(data != nullptr && context != nullptr);
    pcre2_set_match_limit(context.get(), match_steps_max);
    pcre2_set_heap_limit(context.get(), heap_kib_max);
    // 0 is a match whose groups did not all fit; everything below is no match or a limit.
    return pcre2_match(code.get(), bytes(text), text.size(), 0, 0, data.get(), context.get()) >= 0;
  }
};

Pattern::Pattern(std::string text, std::shared_ptr<const Regex> regex)
    : text_(std::move(text)), regex_(std::move(regex)) {}

Result<Pattern> Pattern::parse(std::string_view text) {
  if (text.size() < 3 || text.front() != '/' || text.back() != '/') {
    return Pattern(std::string(text), nullptr);
  }
  const auto body = text.substr(1, text.size() - 2);
  int code = 0;
  std::size_t offset = 0;
  std::unique_ptr<pcre2_code, CodeFree> compiled(
      pcre2_compile(bytes(body), body.size(), 0, &code, &offset, nullptr));
  if (!compiled) {
    return Error{"the regex does not parse: " + message_of(code) + " at character " +
                 std::to_string(offset + 1) + " of " + std::string(body)};
  }
  auto regex = std::make_shared<Regex>();
  regex->code = std::move(compiled);
  return Pattern(std::string(text), std::move(regex));
}

bool Pattern::found_in(std::string_view text) const {
  return regex_ ? regex_->search(text) : text.find(text_) != std::string_view::npos;
}

bool Pattern::matches(std::string_view text) const {
  return regex_ ? regex_->search(text) : text == text_;
}

}  // namespace vitals
