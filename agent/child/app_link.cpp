// Reads the link, logs what changed, and runs the watchdog.
#include "agent/child/app_link.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "agent/child/account.hpp"
#include "agent/child/spawn.hpp"

namespace vitals::child {
namespace {

/// How often we look whether the app is gone, when nobody is left to tell us.
constexpr int orphan_poll_ms = 50;
constexpr int first_state_limit_ms = 200;

std::string_view word_of(AppEnd end) {
  switch (end) {
    case AppEnd::none:
      return "none";
    case AppEnd::exited:
      return "exited";
    case AppEnd::killed:
      return "killed";
    case AppEnd::oom:
      return "oom";
    case AppEnd::watchdog:
      return "watchdog";
  }
  VITALS_ASSERT(false);
  return {};
}

LogLine describe_end(const AppState& state) {
  const bool fine = state.last_exit_code == 0 || state.draining;
  LogLine line{fine ? LogLevel::info : LogLevel::error,
               state.last_end == AppEnd::oom ? "app killed for want of memory" : "app ended"};
  line.fields.push_back({"code", std::to_string(state.last_exit_code), true});
  line.fields.push_back({"cause", std::string(word_of(state.last_end))});
  if (state.restart_in_ms > 0) {
    line.fields.push_back({"restart_in_ms", std::to_string(state.restart_in_ms), true});
  }
  return line;
}

LogLine describe_start(const AppState& state, bool first) {
  LogLine line{LogLevel::info, first ? "app runs" : "app started"};
  line.fields.push_back({"pid", std::to_string(state.pid), true});
  if (state.restarts > 0) {
    line.fields.push_back({"restarts", std::to_string(state.restarts), true});
  }
  return line;
}

}  // namespace

Result<SupervisorSettings> supervisor_settings(const Config& config) {
  auto account = account_of(config.app.user);
  if (!account) return account.error();
  SupervisorSettings settings;
  settings.account = account.value();
  settings.drain_delay_ms = config.app.drain_delay.count();
  settings.stop_timeout_ms = config.app.stop_timeout.count();
  settings.restart_on_failure = config.app.restart == RestartPolicy::on_failure;
  settings.json_log = config.log.format == LogFormat::json;
  return settings;
}

std::vector<LogLine> describe_change(const AppState& before, const AppState& after, bool first) {
  std::vector<LogLine> lines;
  if (!first && after.ends != before.ends) lines.push_back(describe_end(after));
  if (after.pid != 0 && after.pid != before.pid) lines.push_back(describe_start(after, first));
  if (after.draining && !before.draining) {
    lines.push_back({LogLevel::info, "draining before the app stops"});
    const char* const name = sigabbrev_np(after.stop_signal);
    lines.back().fields.push_back({"signal", name == nullptr ? "?" : name});
  }
  return lines;
}

void tell_ready(int link, const SupervisorSettings& settings) {
  send_message(link, HelperMessage{HelperMessage::Type::ready, 0, settings});
}

void hand_listener_over(int link, int listener) {
  HelperMessage message;
  message.type = HelperMessage::Type::listener;
  const std::array<int, passed_descriptors> descriptors{listener, listener};
  send_bytes(link, &message, sizeof message, &descriptors);
}

void hand_config_over(int link, const std::string& bytes) {
  const Fd memory(memfd_create("vitals-config", MFD_CLOEXEC));
  if (!memory) return;
  if (write(memory.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return;
  HelperMessage message;
  message.type = HelperMessage::Type::config;
  const std::array<int, passed_descriptors> descriptors{memory.get(), memory.get()};
  send_bytes(link, &message, sizeof message, &descriptors);
}

std::optional<std::string> inherited_config() {
  const Fd memory = inherited_descriptor(agent_config_fd);
  struct stat facts {};
  if (!memory || fstat(memory.get(), &facts) != 0) return std::nullopt;
  std::string text(static_cast<std::size_t>(facts.st_size), '\0');
  // From the beginning, wherever the one who wrote it left off.
  const auto count = pread(memory.get(), text.data(), text.size(), 0);
  if (count != facts.st_size) return std::nullopt;
  return text;
}

AppLink::AppLink(Fd link, StatusBoard& board, Log& log)
    : link_(std::move(link)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      board_(board),
      log_(log) {}

AppLink::~AppLink() { stop(); }

std::optional<Error> AppLink::start() {
  // On its way since our process began; no answer of ours may come before it.
  pollfd entry{link_.get(), POLLIN, 0};
  if (poll(&entry, 1, first_state_limit_ms) == 1) static_cast<void>(read_messages());
  auto started = Thread::start("app link", [this] { run(); });
  if (!started) return started.error();
  thread_ = std::move(started).value();
  return std::nullopt;
}

void AppLink::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  eventfd_write(wake_.get(), 1);
  thread_.join();
}

void AppLink::configure(const AppConfig& app) {
  {
    const std::lock_guard lock(mutex_);
    app_ = app;
  }
  eventfd_write(wake_.get(), 1);  // a watchdog may be new
}

void AppLink::note_ready() {
  send_message(link_.get(), HelperMessage{HelperMessage::Type::was_ready, 0, {}});
}

void AppLink::retire() {
  send_message(link_.get(), HelperMessage{HelperMessage::Type::retire, state().pid, {}});
}

AppState AppLink::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void AppLink::run() {
  while (true) {
    bool watching = false;
    {
      const std::lock_guard lock(mutex_);
      watching = !app_.watchdog.empty();
    }
    std::array<pollfd, 2> entries{{{link_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    poll(entries.data(), entries.size(), watching ? static_cast<int>(watchdog_tick.count()) : -1);
    eventfd_t ignored = 0;
    eventfd_read(wake_.get(), &ignored);
    const bool alive = read_messages();
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    if (!alive) {
      outlive_supervisor();
      return;
    }
    look_after_app();
  }
}

bool AppLink::read_messages() {
  while (true) {
    pollfd entry{link_.get(), POLLIN, 0};
    if (poll(&entry, 1, 0) != 1) return true;
    AppState state;
    switch (receive_message(link_.get(), state)) {
      case Received::message:
        take(state);
        break;
      case Received::nothing:
        return true;
      case Received::closed:
        return false;
    }
  }
}

void AppLink::take(const AppState& state) {
  AppState before;
  {
    const std::lock_guard lock(mutex_);
    before = std::exchange(state_, state);
  }
  if (state.pid != before.pid) app_seen_ = Clock::now();
  if (first_ && state.watchdog_armed) watchdog_.arm(state.pid);
  if (first_ && state.was_ready) board_.continue_startup();
  for (const LogLine& line : describe_change(before, state, first_)) log_.write(line);
  first_ = false;
  if (!state.draining) return;
  board_.set_draining(true, Instant::now());
  send_message(link_.get(), HelperMessage{HelperMessage::Type::drained, 0, {}});
}

void AppLink::look_after_app() {
  AppState state;
  AppConfig app;
  {
    const std::lock_guard lock(mutex_);
    state = state_;
    app = app_;
  }
  if (app.watchdog.empty()) return;
  const auto now = Clock::now();
  const auto snapshot = board_.latest();
  const auto view =
      look_at(app.watchdog, *snapshot, judge(*snapshot, now), state.pid, app_seen_, now);
  switch (watchdog_.look(view, app.watchdog_after)) {
    case Watchdog::Advice::nothing:
      return;
    case Watchdog::Advice::armed:
      send_message(link_.get(), HelperMessage{HelperMessage::Type::armed, state.pid, {}});
      return;
    case Watchdog::Advice::restart:
      log_.line(LogLevel::error, "watchdog: the app is stuck, it is started again",
                {{"check", app.watchdog}, {"pid", std::to_string(state.pid), true}});
      send_message(link_.get(), HelperMessage{HelperMessage::Type::restart, state.pid, {}});
      return;
  }
}

/// The kernel has sent TERM to the app when its parent died; the rest is ours: an app without a
/// parent would run on unseen, and nobody would ever stop it.
void AppLink::outlive_supervisor() {
  AppState state = this->state();
  Duration limit{0};
  {
    const std::lock_guard lock(mutex_);
    limit = app_.stop_timeout;
  }
  log_.line(LogLevel::error, "the supervisor died: the app is stopped, then the agent",
            {{"pid", std::to_string(state.pid), true}});
  board_.set_draining(true, Instant::now());
  if (state.pid > 0) {
    kill(-state.pid, SIGTERM);
    const Deadline deadline = Deadline::after(limit);
    while (kill(-state.pid, 0) == 0 && !deadline.expired()) poll(nullptr, 0, orphan_poll_ms);
    kill(-state.pid, SIGKILL);
  }
  kill(getpid(), SIGTERM);
}

}  // namespace vitals::child
