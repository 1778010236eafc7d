// A private network of Machines, each a network namespace with addresses of its own, for tests.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <vitals/fd.hpp>

#include "tests/support/agent.hpp"
#include "tests/support/name_server.hpp"
#include "tests/support/process.hpp"

namespace vitals::test {

/// Machines 0, 1, 2 … on one bridge, and a hub with the things that all depend on. While it lives,
/// the thread that made it is in the hub: servers made there listen in the hub. Needs root and a
/// kernel that allows network namespaces; everything is gone with it.
class Machines {
 public:
  /// Where servers of the hub can be reached from the Machines.
  static constexpr const char* dependency_address = "10.77.0.2";
  /// Port of every agent.
  static constexpr std::uint16_t agent_port = 9'100;

  /// Empty when namespaces are permitted here; else why not.
  static std::string forbidden();

  /// All Machines are known to DNS as app.internal.
  explicit Machines(int count);
  ~Machines();
  Machines(const Machines&) = delete;
  Machines& operator=(const Machines&) = delete;

  /// Runs `vitals serve` in each Machine from `first` on, with `config` behind [server].
  void serve(const std::string& config, int first = 0);
  [[nodiscard]] Process& agent(int machine) const {
    return *agents_.at(static_cast<std::size_t>(machine));
  }
  [[nodiscard]] HttpAnswer get(int machine, const std::string& target) const;
  /// 200 of /health/ready.
  [[nodiscard]] bool ready(int machine) const;
  [[nodiscard]] bool fail_open(int machine) const;
  /// How many of the Machines from `first` on are ready.
  [[nodiscard]] int ready_count(int first = 0) const;

  /// From now on that Machine does not reach the dependency (everything else it does); heals.
  void cut_off(int machine) const;
  void heal(int machine) const;
  /// Takes a Machine off the network, or back.
  void unplug(int machine) const;
  void plug_in(int machine) const;
  /// What DNS answers for app.internal, beside the addresses; from now on.
  void set_dns(DnsReply::Kind kind);

  /// Runs `what` on this thread inside the network of that Machine.
  void inside(int machine, const std::function<void()>& what) const;

 private:
  [[nodiscard]] std::string name(int machine) const;
  void add(int machine);

  Fd outside_;  // the network we came from
  Fd hub_;
  std::string prefix_;
  int count_;
  TempDir folder_;
  struct Dns;
  std::shared_ptr<Dns> dns_;
  std::unique_ptr<NameServer> names_;
  std::vector<std::unique_ptr<Process>> agents_;
};

}  // namespace vitals::test
