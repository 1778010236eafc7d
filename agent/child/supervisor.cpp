// One loop over signals, the helpers' links and the clock; one small state machine for the app.
#include "agent/child/supervisor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "agent/child/link.hpp"
#include "agent/child/oom.hpp"
#include "agent/child/policy.hpp"
#include "agent/child/say.hpp"
#include "agent/child/spawn.hpp"
#include "agent/child/terminal.hpp"
#include "agent/front/page.hpp"

namespace vitals::child {
namespace {

constexpr int code_failure = 1;
constexpr int code_usage = 3;
constexpr int signal_base = 128;
constexpr TimePoint never = TimePoint::max();

/// How long the app's signal waits for the agent to say "draining" first. One that hangs must not
/// eat the time that the app has to finish.
constexpr Duration drained_limit{500};
/// How long a helper may take to end; with `stop_timeout` it stays below Fly's 5 s.
constexpr Duration helper_stop_limit{400};
/// How often we look whether the rest of the app's group is gone: its members may be nobody's
/// children of ours.
constexpr Duration group_poll{25};

/// A process of ours beside the app, started again when it dies.
struct Helper {
  const char* name = "";
  HelperWords words{};
  /// False until the configuration says that there is one.
  bool wanted = false;
  pid_t pid = 0;
  Fd link;
  TimePoint started{};
  TimePoint start_at = never;
  /// It has been ready once; until all have, the app does not start, and a death ends everything.
  bool ready = false;
  bool drained = false;
  HelperBackoff backoff{};
};

enum class Phase {
  starting,     // helpers are not ready yet
  running,      // the app runs
  backing_off,  // it ended and will be started again
  draining,     // TERM or INT came: the verdict first, then drain_delay
  stopping,     // the app has its signal, and until `deadline_` to end
  over,
};

class Supervisor {
 public:
  Supervisor(char* const* app_argv, const HelperWords& agent_words);
  int run();

 private:
  // the loop
  void wait();
  [[nodiscard]] TimePoint next_deadline() const;
  void on_signals();
  void on_signal(const signalfd_siginfo& info);
  void on_messages(Helper& helper);
  void on_message(Helper& helper, const HelperMessage& message, PassedDescriptors& passed);
  void on_time(TimePoint now);
  void reap();
  void on_end(pid_t pid, int status);

  // helpers
  void start_helper_now(Helper& helper);
  [[nodiscard]] bool start_agent(Helper& helper);
  void open_door(const DoorSettings& settings, PassedDescriptors& passed);
  void on_helper_end(Helper& helper, int status);
  void stop_helpers();
  void let_door_finish();
  template <typename Predicate>
  void reap_until(Predicate over, TimePoint until);
  /// False: there is nobody to tell.
  bool tell_helpers();
  void announce_end();
  [[nodiscard]] bool all_ready() const;
  [[nodiscard]] bool all_drained() const;

  // the app
  void start_app_now();
  void on_app_end(int status);
  void after_app(TimePoint now);
  void on_app_stopped(int signal);
  void take_terminal_back() const;
  void begin_drain(int signal);
  void begin_stop(int signal, TimePoint now);
  void signal_app(int signal) const;
  [[nodiscard]] bool group_is_gone() const;
  void finish(int code);

  const OwnBinary binary_;
  const Origin origin_;
  Fd signals_;
  std::array<Helper, 2> helpers_{};
  Helper& agent_ = helpers_[0];
  Helper& door_ = helpers_[1];
  /// Ours as long as we run: no client is refused while a door is started again, and an agent that
  /// comes back writes on the same page.
  PassedDescriptors door_descriptors_;
  Fd agent_listener_;
  Fd agent_config_;
  std::array<char, std::tuple_size_v<decltype(DoorSettings::upstream)>> door_upstream_{};

  char* const* const app_argv_;
  SupervisorSettings settings_{};
  Phase phase_ = Phase::starting;
  TimePoint deadline_ = never;  // of the phase
  TimePoint stop_until_{};      // the app's time after its signal ends then
  AppState app_{};
  pid_t group_ = 0;  // of the app that runs or ran last
  TimePoint app_started_{};
  bool verdict_is_out_ = false;  // draining: the delay runs
  bool hurry_ = false;           // a second TERM or INT came
  bool restarting_ = false;      // the watchdog asked: start again after this end
  bool retiring_ = false;        // the Machine is idle: end with 0
  bool kill_sent_ = false;       // KILL came from us
  bool stopped_ = false;         // by job control
  bool stop_forwarded_ = false;  // we were asked to stop, not the app alone
  bool job_control_ = false;     // stdin is our terminal
  RestartBudget budget_{};
  OomKills oom_before_{};
  int code_ = 0;
};

Supervisor::Supervisor(char* const* app_argv, const HelperWords& agent_words)
    : origin_(take_over_signals()), app_argv_(app_argv) {
  sigset_t all;
  sigfillset(&all);
  signals_.reset(signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC));
  agent_.name = "agent";
  agent_.words = agent_words;
  agent_.wanted = true;
  door_.name = "front door";
}

int Supervisor::run() {
  if (!signals_) {
    complain("can't wait for signals: ", strerrordesc_np(errno));
    return code_failure;
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  start_helper_now(agent_);
  while (phase_ != Phase::over) {
    wait();
    on_signals();
    reap();
    for (Helper& helper : helpers_) on_messages(helper);
    on_time(Clock::now());
  }
  stop_helpers();
  return code_;
}

// ---- the loop -------------------------------------------------------------------------------

void Supervisor::wait() {
  std::array<pollfd, 1 + std::tuple_size_v<decltype(helpers_)>> entries{};
  entries[0] = {signals_.get(), POLLIN, 0};
  for (std::size_t i = 0; i < helpers_.size(); ++i) {
    entries[i + 1] = {helpers_[i].link.get(), POLLIN, 0};  // poll skips -1
  }
  const TimePoint until = next_deadline();
  poll(entries.data(), entries.size(), until == never ? -1 : Deadline(until).remaining_ms());
}

TimePoint Supervisor::next_deadline() const {
  TimePoint until = deadline_;
  for (const Helper& helper : helpers_) until = std::min(until, helper.start_at);
  const bool waiting_for_group = phase_ == Phase::stopping && app_.pid == 0;
  return waiting_for_group ? std::min(until, Clock::now() + group_poll) : until;
}

void Supervisor::on_signals() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    on_signal(info);
  }
}

void Supervisor::on_signal(const signalfd_siginfo& info) {
  const int number = static_cast<int>(info.ssi_signo);
  // The kernel's own SIGCHLD is for reap(), its SIGPIPE about our stderr.
  if (number == SIGCHLD && info.ssi_code > 0) return;
  if (number == SIGPIPE && static_cast<pid_t>(info.ssi_pid) == getpid()) return;
  switch (number) {
    case SIGTERM:
    case SIGINT:
      begin_drain(number);
      return;
    case SIGHUP:
      for (const Helper& helper : helpers_) {
        if (helper.pid > 0) kill(helper.pid, SIGHUP);
      }
      break;
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      stop_forwarded_ = true;
      break;
    case SIGCONT:
      if (job_control_ && have_terminal()) give_terminal(group_);
      stopped_ = stop_forwarded_ = false;
      break;
    default:
      break;
  }
  signal_app(number);
}

void Supervisor::on_messages(Helper& helper) {
  HelperMessage message;
  while (helper.link) {
    PassedDescriptors passed;
    switch (receive_message(helper.link.get(), message, &passed)) {
      case Received::message:
        on_message(helper, message, passed);
        break;
      case Received::nothing:
        return;
      case Received::closed:
        helper.link.reset();
        return;
    }
  }
}

void Supervisor::on_message(Helper& helper, const HelperMessage& message,
                            PassedDescriptors& passed) {
  switch (message.type) {
    case HelperMessage::Type::ready:
      helper.ready = true;
      settings_ = message.settings;
      if (phase_ == Phase::starting && all_ready()) start_app_now();
      return;
    case HelperMessage::Type::drained:
      helper.drained = true;
      return;
    case HelperMessage::Type::armed:
      if (message.pid == app_.pid) app_.watchdog_armed = true;
      return;
    case HelperMessage::Type::was_ready:
      app_.was_ready = true;
      return;
    case HelperMessage::Type::listener:
      agent_listener_ = std::move(passed[0]);
      return;
    case HelperMessage::Type::config:
      agent_config_ = std::move(passed[0]);
      return;
    case HelperMessage::Type::door:
      open_door(message.front, passed);
      return;
    case HelperMessage::Type::retire:
      if (phase_ != Phase::running || message.pid != app_.pid) return;
      retiring_ = true;
      begin_drain(SIGTERM);
      return;
    case HelperMessage::Type::restart:
      if (phase_ != Phase::running || message.pid != app_.pid) return;
      restarting_ = true;
      begin_stop(SIGTERM, Clock::now());
      return;
  }
}

void Supervisor::on_time(TimePoint now) {
  for (Helper& helper : helpers_) {
    if (now >= helper.start_at) start_helper_now(helper);
  }
  switch (phase_) {
    case Phase::starting:
    case Phase::running:
    case Phase::over:
      return;
    case Phase::backing_off:
      if (now >= deadline_) start_app_now();
      return;
    case Phase::draining:
      // The delay begins when the verdict is out: whoever routes has to see it for that long.
      if (!verdict_is_out_ && (all_drained() || now >= deadline_)) {
        verdict_is_out_ = true;
        deadline_ = now + Duration(settings_.drain_delay_ms);
      }
      if (verdict_is_out_ && (hurry_ || now >= deadline_)) begin_stop(app_.stop_signal, now);
      return;
    case Phase::stopping:
      if (app_.pid == 0 && (kill_sent_ || group_is_gone())) {
        after_app(now);
      } else if (now >= deadline_) {
        kill_sent_ = true;
        deadline_ = never;
        signal_app(SIGKILL);
      }
      return;
  }
}

void Supervisor::reap() {
  constexpr int look = WEXITED | WSTOPPED | WNOHANG | WNOWAIT;
  for (siginfo_t info{}; waitid(P_ALL, 0, &info, look) == 0 && info.si_pid != 0; info = {}) {
    const pid_t pid = info.si_pid;
    const bool ended = info.si_code != CLD_STOPPED && info.si_code != CLD_TRAPPED;
    // As long as its zombie is there, the group's number is nobody else's. In a stop the others of
    // the group have their time, too; after an end of its own there is nothing to wait for.
    if (pid == app_.pid && ended && phase_ != Phase::stopping) kill(-group_, SIGKILL);
    int status = 0;
    if (waitpid(pid, &status, WUNTRACED | WNOHANG) != pid) continue;  // it runs again
    if (WIFSTOPPED(status)) {
      if (pid == app_.pid) on_app_stopped(WSTOPSIG(status));
    } else {
      on_end(pid, status);
    }
  }
}

void Supervisor::on_end(pid_t pid, int status) {
  for (Helper& helper : helpers_) {
    if (pid == helper.pid) on_helper_end(helper, status);
  }
  if (pid == app_.pid) on_app_end(status);
}

// ---- helpers --------------------------------------------------------------------------------

void Supervisor::start_helper_now(Helper& helper) {
  helper.started = Clock::now();
  helper.start_at = never;
  helper.drained = false;
  // The door has no link: all that it has to know stands on the page.
  const bool is_door = &helper == &door_;
  if (is_door) {
    const HelperDescriptors both{door_descriptors_[0].get(), door_descriptors_[1].get(), -1, -1};
    helper.pid = start_helper(binary_, {helper.words, both, false});
    app_.door_pid = std::max(helper.pid, 0);
    tell_helpers();
  }
  if (is_door ? helper.pid <= 0 : !start_agent(helper)) {
    complain("can't start the ", helper.name,
             ": the system gives no more processes or descriptors");
    helper.pid = 0;
    helper.start_at = helper.started + helper.backoff.next(Elapsed::zero());
  }
}

bool Supervisor::start_agent(Helper& helper) {
  LinkPair link = make_link();
  if (!link.helper) return false;
  const HelperDescriptors descriptors{link.helper.get(), door_descriptors_[1].get(),
                                      agent_listener_.get(), agent_config_.get()};
  helper.pid = start_helper(binary_, {helper.words, descriptors});
  if (helper.pid <= 0) return false;
  helper.link = std::move(link.supervisor);
  send_message(helper.link.get(), app_);
  return true;
}

/// `vitals front-door 3 4 UPSTREAM LEVEL FORMAT`, as front::order_of() reads it.
void Supervisor::open_door(const DoorSettings& settings, PassedDescriptors& passed) {
  if (door_.wanted || !passed[0] || !passed[1]) return;
  door_descriptors_ = std::move(passed);
  door_upstream_ = settings.upstream;
  static char command[] = "front-door";
  static char listener[] = "3";
  static char page[] = "4";
  static_assert(door_listener_fd == 3 && door_page_fd == 4);
  static std::array<char, 2> level{static_cast<char>('0' + settings.log_level), '\0'};
  static char json[] = "json";
  static char logfmt[] = "logfmt";
  door_.words = {agent_.words[0],
                 command,
                 listener,
                 page,
                 door_upstream_.data(),
                 level.data(),
                 settings.json_log ? json : logfmt};
  // Its listener is open already: nobody has to wait for it.
  door_.wanted = door_.ready = true;
  start_helper_now(door_);
}

void Supervisor::on_helper_end(Helper& helper, int status) {
  helper.pid = 0;
  helper.link.reset();
  if (&helper == &agent_ && door_descriptors_[1]) {
    front::Page::silence(door_descriptors_[1].get());
  }
  if (phase_ == Phase::over) return;
  if (!helper.ready) {
    // It has said on stderr what it lacks.
    if (WIFSIGNALED(status)) complain(helper.name, " was killed before it was ready");
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    finish(code == 0 ? code_failure : code);
    return;
  }
  const TimePoint now = Clock::now();
  const Duration delay = helper.backoff.next(now - helper.started);
  helper.start_at = now + delay;
  Say(settings_.json_log, SayLevel::error, "a process beside the app died and is started again")
      .text("process", helper.name)
      .number("code", exit_code_of(status))
      .number("delay_ms", delay.count());
}

/// `over` is asked after each signal, with its number.
template <typename Predicate>
void Supervisor::reap_until(Predicate over, TimePoint until) {
  const Deadline limit(until);
  reap();
  int number = 0;
  while (!over(number) && !limit.expired()) {
    pollfd entry{signals_.get(), POLLIN, 0};
    poll(&entry, 1, limit.remaining_ms());
    signalfd_siginfo info{};
    const ssize_t size = read(signals_.get(), &info, sizeof info);
    if (size < 0 && errno != EAGAIN) return;
    number = size > 0 ? static_cast<int>(info.ssi_signo) : 0;
    reap();
  }
}

/// The app has said its last word, but slow readers may not have it yet: in a drain the door may
/// use what is left of stop_timeout. Whoever asks again to stop is in a hurry.
void Supervisor::let_door_finish() {
  if (!app_.draining || kill_sent_ || door_.pid <= 0) return;
  if (stop_until_ == TimePoint{}) {
    stop_until_ = Clock::now() + Duration(settings_.stop_timeout_ms);
  }
  kill(door_.pid, SIGTERM);
  const auto over = [&](int number) {
    return door_.pid <= 0 || number == SIGTERM || number == SIGINT;
  };
  reap_until(over, stop_until_);
}

void Supervisor::stop_helpers() {
  let_door_finish();
  for (const Helper& helper : helpers_) {
    if (helper.pid > 0) kill(helper.pid, SIGTERM);
  }
  const auto gone = [&](int) {
    return std::all_of(helpers_.begin(), helpers_.end(),
                       [](const Helper& helper) { return helper.pid <= 0; });
  };
  reap_until(gone, Clock::now() + helper_stop_limit);
  for (const Helper& helper : helpers_) {
    if (helper.pid <= 0) continue;
    kill(helper.pid, SIGKILL);
    waitpid(helper.pid, nullptr, 0);
  }
}

bool Supervisor::tell_helpers() {
  bool told = false;
  for (const Helper& helper : helpers_) {
    if (helper.link) told = send_message(helper.link.get(), app_) || told;
  }
  return told;
}

bool Supervisor::all_ready() const {
  return std::all_of(helpers_.begin(), helpers_.end(),
                     [](const Helper& h) { return h.ready || !h.wanted; });
}

bool Supervisor::all_drained() const {
  return std::all_of(helpers_.begin(), helpers_.end(),
                     [](const Helper& helper) { return helper.drained || !helper.link; });
}

// ---- the app --------------------------------------------------------------------------------

void Supervisor::start_app_now() {
  verdict_is_out_ = hurry_ = restarting_ = kill_sent_ = stopped_ = stop_forwarded_ = false;
  stop_until_ = {};
  oom_before_ = count_oom_kills();
  job_control_ = is_terminal_ours();
  const AppStart start =
      start_app({app_argv_, settings_.account, origin_, job_control_ && have_terminal()});
  if (start.pid == 0) {
    complain_of_start(start, app_argv_[0]);
    finish(start_failure_code(start));
    return;
  }
  if (app_.ends > 0) ++app_.restarts;
  app_.pid = group_ = start.pid;
  app_.started_unix_ns =
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  app_.watchdog_armed = false;
  app_.restart_in_ms = 0;
  app_started_ = Clock::now();
  phase_ = Phase::running;
  deadline_ = never;
  tell_helpers();
}

void Supervisor::on_app_end(int status) {
  const bool killed = WIFSIGNALED(status);
  const bool oom =
      killed && WTERMSIG(status) == SIGKILL && !kill_sent_ && rose(oom_before_, count_oom_kills());
  app_.pid = 0;
  app_.last_exit_code = exit_code_of(status);
  ++app_.ends;
  app_.last_end = oom           ? AppEnd::oom
                  : restarting_ ? AppEnd::watchdog
                  : killed      ? AppEnd::killed
                                : AppEnd::exited;
  if (oom) ++app_.oom_kills;
  stopped_ = false;
  take_terminal_back();
  // In a stop the rest of its group still has its time: on_time() goes on from here.
  if (phase_ != Phase::stopping) after_app(Clock::now());
}

/// The app and its group are gone.
void Supervisor::after_app(TimePoint now) {
  const bool wanted = restarting_ || (settings_.restart_on_failure && app_.last_exit_code != 0);
  RestartBudget::Decision decision;
  if (wanted && !app_.draining) decision = budget_.next(now, now - app_started_);
  if (!decision.restart) {
    finish(retiring_ ? 0 : app_.last_exit_code);
    return;
  }
  phase_ = Phase::backing_off;
  deadline_ = now + decision.delay;
  app_.restart_in_ms = decision.delay.count();
  announce_end();
}

/// The agent logs what it is told; when there is none, nobody else would.
void Supervisor::announce_end() {
  if (tell_helpers() || app_.ends == 0) return;
  const bool oom = app_.last_end == AppEnd::oom;
  Say(settings_.json_log, SayLevel::error, oom ? "app killed for want of memory" : "app ended")
      .number("code", app_.last_exit_code)
      .number("restarts", app_.restarts);
}

void Supervisor::on_app_stopped(int signal) {
  stopped_ = true;
  if (!job_control_ && !stop_forwarded_) return;
  if (!is_orphaned()) {
    stop_ourselves(signal, !stop_forwarded_);
    return;
  }
  // The kernel does not let Ctrl-Z stop what no shell watches; the app must not know of us.
  if (signal == SIGTSTP) signal_app(SIGCONT);
}

/// Unless a shell has it by now, because this job was put into the background.
void Supervisor::take_terminal_back() const {
  if (!job_control_) return;
  const pid_t owner = tcgetpgrp(STDIN_FILENO);
  if (owner == group_ || (owner > 0 && kill(-owner, 0) != 0)) give_terminal(getpgrp());
}

void Supervisor::begin_drain(int signal) {
  switch (phase_) {
    case Phase::starting:
      finish(signal_base + signal);
      return;
    case Phase::backing_off:
      finish(app_.last_exit_code);
      return;
    case Phase::running:
      phase_ = Phase::draining;
      deadline_ = Clock::now() + drained_limit;
      app_.draining = true;
      app_.stop_signal = signal;
      tell_helpers();
      return;
    case Phase::draining:
      hurry_ = true;
      return;
    case Phase::stopping:
      if (!app_.draining) {
        // The watchdog was about to start it again.
        app_.draining = true;
        app_.stop_signal = signal;
        restarting_ = false;
        tell_helpers();
      }
      signal_app(signal);
      return;
    case Phase::over:
      return;
  }
}

void Supervisor::begin_stop(int signal, TimePoint now) {
  phase_ = Phase::stopping;
  deadline_ = stop_until_ = now + Duration(settings_.stop_timeout_ms);
  signal_app(signal);
  if (stopped_) signal_app(SIGCONT);  // or it could not even hear the signal
}

void Supervisor::signal_app(int signal) const {
  if (group_ <= 0 || (app_.pid == 0 && phase_ != Phase::stopping)) return;
  if (kill(-group_, signal) != 0 && app_.pid > 0) kill(app_.pid, signal);
}

bool Supervisor::group_is_gone() const { return kill(-group_, 0) != 0 && errno == ESRCH; }

void Supervisor::finish(int code) {
  code_ = code;
  phase_ = Phase::over;
  deadline_ = never;
  announce_end();
}

/// `vitals run --link 3 OPTION...`; false when there are too many options to be true.
bool make_agent_words(char* const* argv, int options_end, HelperWords& words) {
  static char command[] = "run";
  static char flag[] = "--link";
  static char number[] = "3";
  static_assert(helper_link_fd == 3);
  std::size_t count = 0;
  for (char* const word : {argv[0], command, flag, number}) words[count++] = word;
  constexpr int first_option = 2;
  for (int i = first_option; i < options_end; ++i) {
    if (count + 1 >= words.size()) return false;
    words[count++] = argv[i];
  }
  words[count] = nullptr;
  return true;
}

}  // namespace

void fill_standard_descriptors() {
  int fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = open("/dev/null", O_RDWR);
  if (fd > STDERR_FILENO) close(fd);
}

Wrapped find_wrapped(int argc, char* const* argv) {
  constexpr int first_option = 2;
  if (argc < first_option || std::string_view(argv[1]) != "run") return {};
  for (int i = first_option; i + 1 < argc; ++i) {
    if (std::string_view(argv[i]) == "--") return {i + 1};
  }
  return {};
}

int supervise(char* const* argv, Wrapped wrapped) {
  // Our environment holds the app's secrets, and nothing of us is worth a core file.
  prctl(PR_SET_DUMPABLE, 0);
  HelperWords words{};
  if (!make_agent_words(argv, wrapped.command - 1, words)) {
    complain("run: too many options before --");
    return code_usage;
  }
  return Supervisor(argv + wrapped.command, words).run();
}

}  // namespace vitals::child
