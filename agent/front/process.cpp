// The front door as a process of its own.
#include "agent/front/process.hpp"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "agent/log.hpp"
#include "agent/schedule/thread.hpp"

namespace vitals::front {
namespace {

constexpr int exit_failure = 1;
constexpr int exit_usage = 3;
constexpr std::size_t word_count = 5;
constexpr rlim_t descriptors_wanted = 65'536;
/// "nobody" of most systems; it needs no entry in /etc/passwd.
constexpr unsigned nobody = 65'534;

std::optional<int> number(std::string_view word) {
  int value = -1;
  const auto parsed = std::from_chars(word.data(), word.data() + word.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size()) return std::nullopt;
  return value;
}

/// What the supervisor did not mean to give us is not for us.
void keep_only(int first, int second) {
  const auto low = static_cast<unsigned>(std::min(first, second));
  const auto high = static_cast<unsigned>(std::max(first, second));
  const auto close_from = [](unsigned from, unsigned to) {
    if (from <= to) syscall(SYS_close_range, from, to, 0U);
  };
  close_from(STDERR_FILENO + 1, low - 1);
  close_from(low + 1, high - 1);
  close_from(high + 1, ~0U);
}

/// It reads what strangers send, so that it should be able to do as little as possible else.
void drop_privileges() {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (geteuid() != 0) return;
  // A container may not allow it; then we stay who we are.
  if (setgroups(0, nullptr) != 0 || setresgid(nobody, nobody, nobody) != 0) return;
  [[maybe_unused]] const int changed = setresuid(nobody, nobody, nobody);
}

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = std::min(limit.rlim_max, std::max(limit.rlim_cur, descriptors_wanted));
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<std::size_t>(limit.rlim_cur);
}

void tell(Log& log, DoorEvent event) {
  switch (event) {
    case DoorEvent::app_refuses:
      return log.line(LogLevel::warn, "the app refuses connections; clients wait for it");
    case DoorEvent::app_accepts:
      return log.line(LogLevel::info, "the app takes connections");
    case DoorEvent::draining:
      return log.line(LogLevel::info, "the front door takes no new connections");
    case DoorEvent::undrained:
      return log.line(LogLevel::info, "the front door takes new connections again");
    case DoorEvent::full:
      return log.line(LogLevel::error, "the front door has no room for more connections",
                      {{"detail", "each one needs two descriptors; raise RLIMIT_NOFILE"}});
  }
}

/// Blocked in all threads; main waits for them.
sigset_t waited_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT}) sigaddset(&signals, number);
  return signals;
}

/// Until TERM: of the supervisor, or of the kernel when the supervisor is gone.
int run(Door& door, const sigset_t& signals, Log& log) {
  const pid_t supervisor = getppid();
  auto thread = Thread::start("front door", [&] { door.run(); });
  if (!thread) {
    log.line(LogLevel::error, "the front door can't start", {{"detail", thread.error().message}});
    return exit_failure;
  }
  int received = 0;
  sigwait(&signals, &received);
  door.request_stop(getppid() == supervisor ? stop_limit : orphan_stop_limit);
  thread.value().join();
  return 0;
}

}  // namespace

Result<DoorOrder> order_of(const std::vector<std::string>& words) {
  const Error error{"'" + std::string(command_word) + "' is for 'vitals run' alone"};
  if (words.size() != word_count) return error;
  const auto listener = number(words[0]);
  const auto page = number(words[1]);
  const auto level = number(words[3]);
  constexpr int level_max = static_cast<int>(LogLevel::error);
  if (!listener || !page || *listener == *page || !level) return error;
  if (*level < 0 || *level > level_max) return error;
  if (*listener <= STDERR_FILENO || *page <= STDERR_FILENO) return error;
  DoorOrder order{*listener, *page, words[2], {}};
  order.log.level = static_cast<LogLevel>(*level);
  order.log.format = words[4] == "json" ? LogFormat::json : LogFormat::logfmt;
  return order;
}

int run_door(const std::vector<std::string>& words) {
  const auto order = order_of(words);
  if (!order) {
    std::fprintf(stderr, "vitals: %s\n", order.error().message.c_str());
    return exit_usage;
  }
  const sigset_t signals = waited_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  keep_only(order.value().listener_fd, order.value().page_fd);
  const std::size_t descriptors = raise_descriptor_limit();
  drop_privileges();
  prctl(PR_SET_NAME, "vitals-front");
  // After the change of user, which takes this wish back.
  prctl(PR_SET_PDEATHSIG, SIGTERM);

  Log log(order.value().log);
  auto upstream = upstream_addresses(order.value().upstream);
  auto page = Page::open(Fd(order.value().page_fd));
  if (!upstream || !page) {
    const std::string why = upstream ? page.error().message : upstream.error().message;
    log.line(LogLevel::error, "the front door can't start", {{"detail", why}});
    return exit_failure;
  }
  Door door(Fd(order.value().listener_fd), {upstream.value(), clients_for(descriptors)},
            page.value(), [&log](DoorEvent event) { tell(log, event); });
  return run(door, signals, log);
}

}  // namespace vitals::front
