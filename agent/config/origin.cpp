// Strings one after another, each as "length:bytes": path and text, then path and content of each
// secret.
#include "agent/config/origin.hpp"

#include <charconv>
#include <utility>

namespace vitals::config {
namespace {

void put(std::string& bytes, std::string_view text) {
  bytes += std::to_string(text.size()) + ":";
  bytes += text;
}

std::optional<std::string> take(std::string_view& bytes) {
  std::size_t length = 0;
  const char* const end = bytes.data() + bytes.size();
  const auto [last, error] = std::from_chars(bytes.data(), end, length);
  if (error != std::errc() || last == end || *last != ':') return std::nullopt;
  bytes.remove_prefix(static_cast<std::size_t>(last - bytes.data()) + 1);
  if (length > bytes.size()) return std::nullopt;
  std::string text(bytes.substr(0, length));
  bytes.remove_prefix(length);
  return text;
}

}  // namespace

std::string to_bytes(const ConfigOrigin& origin) {
  std::string bytes;
  put(bytes, origin.path);
  put(bytes, origin.text);
  for (const auto& [path, content] : origin.files) {
    put(bytes, path);
    put(bytes, content);
  }
  return bytes;
}

std::optional<ConfigOrigin> origin_from(std::string_view bytes) {
  auto path = take(bytes);
  auto text = path ? take(bytes) : std::nullopt;
  if (!text) return std::nullopt;
  ConfigOrigin origin{*std::move(path), *std::move(text), {}};
  while (!bytes.empty()) {
    auto file = take(bytes);
    auto content = file ? take(bytes) : std::nullopt;
    if (!content) return std::nullopt;
    origin.files.emplace(*std::move(file), *std::move(content));
  }
  return origin;
}

}  // namespace vitals::config
