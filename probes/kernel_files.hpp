// Reading what the kernel tells in small text files: /proc, /sys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

/// Where these files are; tests have their own.
struct KernelRoots {
  std::string proc = "/proc";
  std::string sys = "/sys";
};

inline constexpr std::size_t kernel_file_max = 64 * 1024;

/// The whole file, at most `limit` bytes of it; nothing when it can't be read (errno says why).
[[nodiscard]] std::optional<std::string> read_kernel_file(const std::string& path,
                                                          std::size_t limit = kernel_file_max);

/// A decimal number after blanks, or nothing.
[[nodiscard]] std::optional<std::uint64_t> leading_number(std::string_view text);

/// The number behind `key` at the start of a line: "MemAvailable:" in meminfo, "anon " in
/// memory.stat. Without its unit.
[[nodiscard]] std::optional<std::uint64_t> number_behind(std::string_view text,
                                                         std::string_view key);

/// Split at runs of blanks.
[[nodiscard]] std::vector<std::string_view> words_of(std::string_view line);

/// Calls `each` with every line, without its newline.
template <typename Each>
void for_each_line(std::string_view text, Each each) {
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() + (line.size() < text.size() ? 1 : 0));
    each(line);
  }
}

}  // namespace vitals
