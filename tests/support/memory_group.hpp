// A memory limit as a small Machine has it: a cgroup of its own, of version 1 or 2.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vitals::test {

/// Exists from construction to destruction; what runs in it must have ended by then. Takes root and
/// a kernel that lets us.
class MemoryGroup {
 public:
  /// Throws when !possible().
  explicit MemoryGroup(std::uint64_t bytes);
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  static bool possible();

  /// Words to put before those of a command that shall run in it.
  [[nodiscard]] std::vector<std::string> wrapper() const;
  /// Most bytes that were in use at once, pages of files among them; 0 when the kernel does not
  /// say.
  [[nodiscard]] std::uint64_t peak() const;

 private:
  std::filesystem::path folder_;
};

}  // namespace vitals::test
