// What the supervisor and its helpers tell each other: fixed-size messages over an inherited
// SOCK_SEQPACKET pair. Both ends are the same binary, so a struct is the whole protocol.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include <vitals/fd.hpp>
#include <vitals/time.hpp>

namespace vitals::child {

/// More supplementary groups than this are refused where the user is looked up.
inline constexpr std::size_t groups_max = 64;

/// Who the app becomes; `change` is false when it stays who we are.
struct Account {
  bool change = false;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint32_t group_count = 0;
  std::array<gid_t, groups_max> groups{};
};

/// All that the supervisor needs of the configuration.
struct SupervisorSettings {
  Account account;
  std::int64_t drain_delay_ms = 0;
  std::int64_t stop_timeout_ms = 4'000;
  bool restart_on_failure = false;
  bool json_log = false;
};

/// The front door, as the configuration has it: what its process is started with.
struct DoorSettings {
  std::array<char, 64> upstream{};  // ends with a zero byte
  std::uint32_t log_level = 0;      // as LogLevel
  bool json_log = false;
};

/// Why the app ended, for the log.
enum class AppEnd : std::uint32_t { none, exited, killed, oom, watchdog };

/// All that is known of the app. Sent whole on each change and to each new helper, so that none
/// has to have seen what came before.
struct AppState {
  pid_t pid = 0;  // 0: it does not run
  std::int64_t started_unix_ns = 0;
  std::uint32_t restarts = 0;
  std::uint32_t oom_kills = 0;
  std::int32_t last_exit_code = 0;  // 128 + n for signal n; 0 as long as it never ended
  AppEnd last_end = AppEnd::none;
  std::uint32_t ends = 0;
  /// Until it is started again; 0: it won't be.
  std::int64_t restart_in_ms = 0;
  /// TERM or INT came: say fail and draining, and answer with `drained`.
  bool draining = false;
  std::int32_t stop_signal = 0;
  /// What the watchdog knew of this pid (HelperMessage::armed).
  bool watchdog_armed = false;
  /// An agent of ours was ready once (HelperMessage::was_ready).
  bool was_ready = false;
  /// The front door's process; 0: there is none. So that nobody takes it for a job of the app.
  pid_t door_pid = 0;
};

struct HelperMessage {
  enum class Type : std::uint32_t {
    /// It listens, and these settings are in force; again after each reload.
    ready,
    /// The verdict is fail and draining.
    drained,
    /// The app `pid` is stuck: end it and start it again, within the budget.
    restart,
    /// The watchdog has seen the app `pid` pass; a new agent has to know.
    armed,
    /// The agent is ready: startup is over, and an agent that comes back has to know.
    was_ready,
    /// The agent listens; its listener comes along and stays with the supervisor, so that clients
    /// wait while the agent is started again, and nobody takes its port.
    listener,
    /// The Machine is idle: drain as on TERM, then end with 0, whatever the app's code is.
    retire,
    /// What the configuration in force was read from comes along and stays with the supervisor: an
    /// agent that comes back goes by it when a file has gone bad meanwhile.
    config,
    /// There is a front door: start it. Two descriptors come along, its listener and its page, and
    /// stay with the supervisor while agents and doors come and go.
    door,
  };
  Type type = Type::ready;
  pid_t pid = 0;
  SupervisorSettings settings;
  DoorSettings front{};
};

static_assert(std::is_trivially_copyable_v<AppState>);
static_assert(std::is_trivially_copyable_v<HelperMessage>);

/// Both ends, close-on-exec; invalid when the system gives no more descriptors.
struct LinkPair {
  Fd supervisor;  // does not block
  Fd helper;
};
[[nodiscard]] LinkPair make_link();

/// False: the other end is gone, or its queue is full. Never waits, raises no signal.
/// `descriptors` are duplicated into the process at the other end.
inline constexpr std::size_t passed_descriptors = 2;
using PassedDescriptors = std::array<Fd, passed_descriptors>;
bool send_bytes(int link, const void* data, std::size_t size,
                const std::array<int, passed_descriptors>* descriptors = nullptr);
template <typename Message>
bool send_message(int link, const Message& message) {
  return send_bytes(link, &message, sizeof message);
}

enum class Received { message, nothing, closed };
/// `nothing`: there is none now (a link that does not block). What is no whole message is dropped.
/// Descriptors that come along are close-on-exec, and closed at once when nobody wants them.
[[nodiscard]] Received receive_bytes(int link, void* data, std::size_t size,
                                     PassedDescriptors* descriptors = nullptr);
template <typename Message>
[[nodiscard]] Received receive_message(int link, Message& message,
                                       PassedDescriptors* descriptors = nullptr) {
  return receive_bytes(link, &message, sizeof message, descriptors);
}

/// Is `fd` such a link? Somebody may type the hidden option by hand.
[[nodiscard]] bool is_link(int fd);

}  // namespace vitals::child
