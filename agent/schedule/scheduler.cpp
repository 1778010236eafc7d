// The loop of a check's thread, and their common start and end.
#include "agent/schedule/scheduler.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <cstring>
#include <random>
#include <utility>

#include <vitals/fd.hpp>

#include "agent/random_seed.hpp"
#include "agent/schedule/attempt.hpp"
#include "agent/schedule/thread.hpp"

namespace vitals {

TimePoint next_start(TimePoint started, TimePoint now, const CheckSpec& spec, bool retry,
                     double draw) {
  const auto interval = std::chrono::duration<double, std::milli>(spec.interval);
  const auto delay = retry
                         ? Elapsed(spec.retry_interval)
                         : std::chrono::duration_cast<Elapsed>(interval * (1 + spec.jitter * draw));
  return std::max(started + delay, now);
}

/// One check and its thread. The eventfd is the interrupt of its attempts and of its sleep.
class Scheduler::Runner {
 public:
  Runner(Scheduler& scheduler, ConfiguredCheck check, Duration spread)
      : scheduler_(scheduler),
        board_(scheduler.board_),
        keeper_(scheduler.keeper_),
        spec_(std::move(check.spec)),
        probe_(std::move(check.probe)),
        secrets_(std::move(check.secrets)),
        signal_(std::move(check.signal)),
        random_(random_seed()),
        asleep_(keeper_.asleep()),
        next_(Clock::now() + first_delay(spread)) {}

  std::optional<Error> start() {
    wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) {
      return Error{"no descriptor for check " + spec_->name + ": " + std::strerror(errno) +
                   "; raise the limit of open files (ulimit -n) or configure fewer checks"};
    }
    auto thread = Thread::start("check " + spec_->name, [this] { run(); });
    if (!thread) return thread.error();
    thread_ = std::move(thread).value();
    return std::nullopt;
  }

  void ask_to_stop() {
    stopping_ = true;
    interrupt();
  }
  void run_now() {
    fresh_ = true;
    interrupt();
  }
  /// Idle or not has changed. An attempt in flight is left alone: it looks when it is over.
  void notice_idle() {
    if (spec_->pause_when_idle && !asking_) interrupt();
  }
  /// False for kinds that nobody calls in to.
  bool signal(Instant now) {
    if (!signal_) return false;
    last_signal_ = Signal{now, keeper_.asleep()};
    signal_(now);
    run_now();
    return true;
  }
  /// From the runner of the same name that this one follows; before start().
  void inherit(const Runner& predecessor) {
    if (!signal_ || !predecessor.last_signal_) return;
    last_signal_ = predecessor.last_signal_;
    // The sleep since then is news to this probe.
    asleep_ = last_signal_->asleep;
    signal_(last_signal_->moment);
  }
  /// What the new config must not show, this check must not either.
  void share_secrets(std::shared_ptr<SecretSet> others) { secrets_->share_with(std::move(others)); }
  /// The thread is at its end: join() returns at once.
  [[nodiscard]] bool done() const { return done_; }
  void join() { thread_.join(); }
  void abandon() { thread_.abandon(); }
  [[nodiscard]] const CheckSpec& spec() const { return *spec_; }
  [[nodiscard]] std::optional<TimePoint> next_attempt() const {
    return resting_ ? std::nullopt : std::optional(next_.load());
  }

 private:
  struct Signal {
    Instant moment;
    Sleep asleep;
  };

  Elapsed first_delay(Duration spread) {
    std::uniform_int_distribution<Elapsed::rep> draw(0, Elapsed(spread).count());
    return Elapsed(draw(random_));
  }

  void interrupt() const {
    // Fails only when the counter is full, and then it is readable anyway.
    static_cast<void>(eventfd_write(wake_.get(), 1));
  }

  [[nodiscard]] bool interrupted() const {
    pollfd entry{wake_.get(), POLLIN, 0};
    return poll(&entry, 1, 0) > 0;
  }

  void run() {
    while (!stopping_) {
      if (may_rest() && rest()) continue;
      if (!sleep_until_next()) continue;
      asking_ = true;
      attempt();
      asking_ = false;
    }
    done_ = true;
  }

  [[nodiscard]] bool may_rest() const {
    return spec_->pause_when_idle && scheduler_.idle_ && !fresh_ && !stopping_;
  }

  /// Until the Machine is not idle any more, or somebody wants it asked now. False: it can't rest.
  bool rest() {
    if (!board_.pause(*spec_, Instant::now())) return false;
    resting_ = true;
    probe_->rest();
    // As often as it would ask, the thread shows that it is there.
    do {
      static_cast<void>(woken_within(spec_->interval));
    } while (may_rest() && board_.pause(*spec_, Instant::now()));
    resting_ = false;
    fresh_ = true;
    next_ = Clock::now();
    return true;
  }

  /// False when the time went by; else the interrupt is taken back.
  [[nodiscard]] bool woken_within(Elapsed time) const {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
    const timespec wait{seconds.count(), (time - seconds).count()};
    pollfd entry{wake_.get(), POLLIN, 0};
    if (ppoll(&entry, 1, &wait, nullptr) <= 0) return false;
    eventfd_t ignored = 0;
    eventfd_read(wake_.get(), &ignored);
    return true;
  }

  /// False when it was woken early: look at the flags again.
  bool sleep_until_next() {
    const Elapsed left = std::max(Elapsed::zero(), Elapsed(next_.load() - Clock::now()));
    if (!woken_within(left)) return Clock::now() >= next_.load();
    if (fresh_) next_ = Clock::now();
    return false;
  }

  void attempt() {
    // After a suspend all threads wake together, and this one may run before the keeper does.
    keeper_.look(Instant::now());
    const bool fresh = fresh_.exchange(false);
    const Instant now = Instant::now();
    scheduler_.note_delay(now.mono - next_.load());
    const auto id = board_.begin(*spec_, now);
    if (!id) {
      // Not on the board any more, or changed: a reload is about to stop this thread.
      next_ = now.mono + spec_->interval;
      return;
    }
    // After begin(): a gap that is not in here yet closes the attempt.
    const Sleep slept = take_sleep();
    const bool drop = fresh || slept != Sleep{};
    const Deadline deadline(now.mono + spec_->timeout, wake_.get());
    keeper_.watch(*id, now, deadline.end());
    const Sample sample =
        run_attempt(*spec_, *probe_, *secrets_, Attempt{deadline, drop, now, slept});
    keeper_.unwatch(*id);
    keeper_.look(Instant::now());
    const auto ask_again_in = sample.result.ask_again_in;
    if (interrupted()) {
      // What an interrupted probe says is no evidence; ask again at once.
      board_.cancel(*id);
      fresh_ = true;
    } else {
      static_cast<void>(board_.finish(*id, sample));
    }
    std::uniform_real_distribution<double> draw(-1, 1);
    next_ =
        next_start(now.mono, Clock::now(), *spec_, board_.wants_retry(spec_->name), draw(random_));
    if (ask_again_in) next_ = std::min(next_.load(), Clock::now() + *ask_again_in);
  }

  /// What was slept through since the last attempt, thrown away or not.
  Sleep take_sleep() {
    const Sleep now = keeper_.asleep();
    return now - std::exchange(asleep_, now);
  }

  Scheduler& scheduler_;
  StatusBoard& board_;
  Keeper& keeper_;
  const std::shared_ptr<const CheckSpec> spec_;
  const std::unique_ptr<Probe> probe_;
  const std::shared_ptr<SecretSet> secrets_;
  const std::function<void(Instant)> signal_;
  std::optional<Signal> last_signal_;  // guarded by Scheduler::mutex_
  std::minstd_rand random_;
  Sleep asleep_;  // what the probe has been told of; the check's thread alone, once it runs
  std::atomic<TimePoint> next_;  // written by the check's thread alone
  Fd wake_;
  Thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> fresh_{false};
  std::atomic<bool> asking_{false};
  std::atomic<bool> resting_{false};
  std::atomic<bool> done_{false};
};

Scheduler::Scheduler(StatusBoard& board, Keeper& keeper) : board_(board), keeper_(keeper) {}

Scheduler::~Scheduler() { stop(Duration(0)); }

std::optional<Error> Scheduler::run(std::vector<ConfiguredCheck> checks, Duration spread) {
  std::map<std::string, std::unique_ptr<Runner>, std::less<>> next;
  std::vector<std::unique_ptr<Runner>> starting;
  std::vector<std::unique_ptr<Runner>> ending;
  {
    const std::lock_guard lock(mutex_);
    for (ConfiguredCheck& check : checks) {
      const std::string name = check.spec->name;
      const auto running = runners_.find(name);
      if (running != runners_.end() &&
          running->second->spec().fingerprint == check.spec->fingerprint) {
        running->second->share_secrets(check.secrets);
        next.emplace(name, std::move(running->second));
        continue;
      }
      if (check.signal) expected_.try_emplace(name);
      starting.push_back(std::make_unique<Runner>(*this, std::move(check), spread));
      // Other settings are no reason to forget that somebody called.
      if (running != runners_.end()) starting.back()->inherit(*running->second);
    }
    for (auto& [name, runner] : runners_) {
      if (runner) ending.push_back(std::move(runner));
    }
    runners_ = std::move(next);
  }
  reap();
  retire(std::move(ending), Duration(0));
  for (auto& runner : starting) {
    if (auto error = runner->start()) return error;
    const std::lock_guard lock(mutex_);
    const std::string name = runner->spec().name;
    const auto expected = expected_.find(name);
    if (expected != expected_.end() && expected->second) runner->signal(*expected->second);
    expected_.erase(name);
    runners_.emplace(name, std::move(runner));
  }
  return std::nullopt;
}

void Scheduler::run_all_now() {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, runner] : runners_) runner->run_now();
}

void Scheduler::rest(bool idle) {
  const std::lock_guard lock(mutex_);
  if (idle_.exchange(idle) == idle) return;
  for (const auto& [name, runner] : runners_) runner->notice_idle();
}

void Scheduler::expect_calls(const std::vector<ConfiguredCheck>& checks) {
  const std::lock_guard lock(mutex_);
  for (const ConfiguredCheck& check : checks) {
    if (check.signal) expected_.try_emplace(check.spec->name);
  }
}

bool Scheduler::signal(std::string_view check, Instant now) {
  const std::lock_guard lock(mutex_);
  const auto found = runners_.find(check);
  if (found != runners_.end()) return found->second->signal(now);
  const auto expected = expected_.find(check);
  if (expected == expected_.end()) return false;
  expected->second = now;
  return true;
}

void Scheduler::reap() {
  std::erase_if(hanging_, [](const std::unique_ptr<Runner>& runner) {
    if (!runner->done()) return false;
    runner->join();
    return true;
  });
}

bool Scheduler::stop(Duration limit) {
  std::vector<std::unique_ptr<Runner>> ending;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [name, runner] : runners_) ending.push_back(std::move(runner));
    runners_.clear();
  }
  retire(std::move(ending), limit);
  retire(std::exchange(hanging_, {}), Duration(0));
  const bool clean = hanging_.empty();
  for (auto& runner : hanging_) {
    runner->abandon();
    // Its thread still uses it: freed by the end of the process.
    static_cast<void>(runner.release());
  }
  hanging_.clear();
  return clean;
}

void Scheduler::retire(std::vector<std::unique_ptr<Runner>> runners, Duration limit) {
  // An interrupted probe is back within a few milliseconds; one that hangs is left behind.
  constexpr Duration usual_return{100};
  const TimePoint end = Clock::now() + std::max(limit, usual_return);
  for (const auto& runner : runners) runner->ask_to_stop();
  for (auto& runner : runners) {
    while (!runner->done() && Clock::now() < end) {
      constexpr timespec pause{0, 500'000};
      nanosleep(&pause, nullptr);
    }
    if (runner->done()) {
      runner->join();
    } else {
      hanging_.push_back(std::move(runner));
    }
  }
}

void Scheduler::note_delay(Elapsed delay) {
  const std::chrono::duration<double> seconds = std::max(Elapsed::zero(), delay);
  const std::lock_guard lock(delays_mutex_);
  delays_.observe(seconds.count(), delay_bounds);
}

std::optional<TimePoint> Scheduler::next_attempt(std::string_view check) const {
  const std::lock_guard lock(mutex_);
  const auto found = runners_.find(check);
  if (found == runners_.end()) return std::nullopt;
  return found->second->next_attempt();
}

DelayHistogram Scheduler::delays() const {
  const std::lock_guard lock(delays_mutex_);
  return delays_;
}

}  // namespace vitals
