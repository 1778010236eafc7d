// A Machine for stack tests: a network of its own, where every port is free and names lead to
// loopback. Takes root.
#pragma once

#include <map>
#include <string>

#include <vitals/fd.hpp>

#include "tests/support/process.hpp"

namespace vitals::test {

/// From construction to destruction this thread, and every process that it starts, is in a new
/// network namespace with loopback up and nothing else, and sees /etc/hosts with `hosts` (name to
/// address) and a /etc/resolv.conf without name servers. One at a time; not while other threads
/// run.
class Machine {
 public:
  explicit Machine(const std::map<std::string, std::string>& hosts = {});
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// False without the rights that it takes, which is said (skipped.hpp).
  static bool possible();

 private:
  TempDir folder_;
  Fd network_;  // where we came from
  Fd mounts_;
};

}  // namespace vitals::test
