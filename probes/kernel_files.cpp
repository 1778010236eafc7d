// Small files of the kernel, read whole and taken apart.
#include "probes/kernel_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <vitals/fd.hpp>

namespace vitals {

std::optional<std::string> read_kernel_file(const std::string& path, std::size_t limit) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return std::nullopt;
  std::string content;
  char block[4'096];
  while (content.size() < limit) {
    const ssize_t got = read(file.get(), block, std::min(sizeof(block), limit - content.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    content.append(block, static_cast<std::size_t>(got));
  }
  return content;
}

std::optional<std::uint64_t> leading_number(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return std::nullopt;
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(text.data() + first, text.data() + text.size(), number);
  if (parsed.ec != std::errc()) return std::nullopt;
  return number;
}

std::optional<std::uint64_t> number_behind(std::string_view text, std::string_view key) {
  std::optional<std::uint64_t> number;
  for_each_line(text, [&](std::string_view line) {
    if (!number && line.starts_with(key)) number = leading_number(line.substr(key.size()));
  });
  return number;
}

std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view blanks = " \t";
  std::vector<std::string_view> words;
  while (true) {
    const auto begin = line.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    words.push_back(line.substr(0, line.find_first_of(blanks)));
    line.remove_prefix(words.back().size());
  }
}

}  // namespace vitals
