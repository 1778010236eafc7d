// Encoders for tests, and the search for canaries.
#include "tests/support/canary.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace vitals::test {
namespace {

constexpr std::string_view special = "@/:+ \"\\%<&>${x}\xC3\xA9?#'=,|~";
constexpr std::string_view token_special = "@/:+\"\\%<&>${x}?#'=,|~";

constexpr std::string_view base64_digits(bool url) {
  return url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
             : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

/// The digits that `bytes` alone decide when `before` bytes stand in front of them.
std::string base64_core(const std::string& bytes, std::size_t before, bool url) {
  const std::string text = base64_encoded(std::string(before, 'x') + bytes, url);
  const std::size_t first = (before * 8 + 5) / 6;
  return text.substr(first, (before + bytes.size()) * 8 / 6 - first);
}

}  // namespace

std::string percent_encoded(std::string_view bytes, bool upper) {
  const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    if (is_alnum(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4U];
    out += digits[byte & 0xFU];
  }
  return out;
}

std::string form_encoded(std::string_view bytes) {
  std::string out = percent_encoded(bytes);
  for (auto at = out.find("%20"); at != std::string::npos; at = out.find("%20", at)) {
    out.replace(at, 3, "+");
  }
  return out;
}

std::string base64_encoded(std::string_view bytes, bool url) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8U | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k > bytes.size() ? '=' : base64_digits(url)[group >> (18U - 6U * k) & 63U];
    }
  }
  return out;
}

std::string json_escaped(std::string_view text, bool slashes) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\' || (slashes && c == '/')) out += '\\';
    out += c;
  }
  return out;
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '$') out += '$';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

void Canaries::remember(const std::string& end, const std::string& place) {
  forms_.push_back({end, place});
  for (const bool url : {false, true}) {
    for (std::size_t before = 0; before < 3; ++before) {
      forms_.push_back({base64_core(end, before, url), place + " in base64"});
    }
  }
}

std::string Canaries::make(const std::string& place) { return make(place, special); }

std::string Canaries::make_token(const std::string& place) { return make(place, token_special); }

std::string Canaries::make(const std::string& place, std::string_view between) {
  const std::string head = "Zq" + place + "7Xw";
  const std::string tail = "Kj" + place + "9Vz";
  remember(head, place);
  remember(tail, place);
  return head + std::string(between) + tail;
}

std::string Canaries::make_tame(const std::string& place) {
  std::string whole = "Zq" + place + "7XwKj9Vz";
  remember(whole.substr(0, whole.size() / 2), place);
  remember(whole.substr(whole.size() / 2), place);
  return whole;
}

std::string Canaries::found_in(std::string_view text) const {
  std::string found;
  for (const Form& form : forms_) {
    const auto at = text.find(form.text);
    if (at == std::string_view::npos) continue;
    const auto from = at - std::min<std::size_t>(at, 100);
    found += form.meaning + ": …" + std::string(text.substr(from, 240)) + "…\n";
  }
  return found;
}

}  // namespace vitals::test
