// A root folder of its own for one thread: what runs in it resolves names by the resolv.conf and
// hosts in there.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "tests/support/process.hpp"

namespace vitals::test {

/// Needs root, as chroot(2) does; no other thread notices.
class ResolverJail {
 public:
  explicit ResolverJail(const std::string& resolv_conf);

  /// The file is there in the jail under the same path.
  void bring(const std::filesystem::path& file) const;
  /// Runs `body` on a thread in the jail, to its end. Throws when the jail can't be entered; what
  /// `body` throws ends the program.
  void run(const std::function<void()>& body) const;

 private:
  TempDir root_;
};

}  // namespace vitals::test
