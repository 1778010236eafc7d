// Kind heartbeat: something posts to /heartbeat/NAME or touches a file at least this often.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <vitals/kind.hpp>
#include <vitals/text.hpp>

namespace vitals {
namespace {

/// Asked again this long after a heartbeat is overdue, so that the clocks agree that it is.
constexpr Elapsed overdue_slack = std::chrono::milliseconds(1);

constexpr std::string_view age_measurement = "age";

const std::array<SettingSpec, 4> own_settings{{
    {.name = "every",
     .type = SettingType::duration,
     .doc = "somebody has to call at least this often",
     .required = true},
    {.name = "grace",
     .type = SettingType::duration,
     .fallback = "0s",
     .doc = "a call may be this late"},
    {.name = "file", .doc = "path of a file whose modification counts as a call, too"},
    {.name = "first_within",
     .type = SettingType::duration,
     .doc = "how long the first call after a start may take; unset: it is waited for without end"},
}};

struct HeartbeatSettings {
  Duration every{};
  Duration grace{};
  std::string file;
  std::optional<Duration> first_within;
};

std::string shown(Elapsed time) {
  return human_duration(std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

/// When somebody last called over HTTP. Written by the listener's thread, read by the check's.
class Calls {
 public:
  void note(TimePoint moment) {
    auto before = last_.load();
    const auto now = moment.time_since_epoch().count();
    while (before < now && !last_.compare_exchange_weak(before, now)) {
    }
  }
  [[nodiscard]] std::optional<TimePoint> last() const {
    const auto count = last_.load();
    if (count == never) return std::nullopt;
    return TimePoint(TimePoint::duration(count));
  }

 private:
  static constexpr auto never = TimePoint::duration::min().count();
  std::atomic<TimePoint::rep> last_{never};
};

WallTime modified_at(const struct stat& facts) {
  const auto since_epoch =
      std::chrono::seconds(facts.st_mtim.tv_sec) + std::chrono::nanoseconds(facts.st_mtim.tv_nsec);
  return WallTime(std::chrono::duration_cast<WallTime::duration>(since_epoch));
}

class HeartbeatProbe : public Probe {
 public:
  HeartbeatProbe(HeartbeatSettings settings, std::shared_ptr<Calls> calls)
      : settings_(std::move(settings)), calls_(std::move(calls)) {}

  ProbeResult run(const Attempt& attempt) override {
    const Instant now = Instant::now();
    leave_out(attempt.slept.mono, now.mono);
    const auto problem = look_at_file(now, attempt.slept.wall);
    // std::optional: no call at all is less than any.
    const auto last = std::max(calls_->last(), touched_);
    if (last && now.mono - *last <= limit()) return on_time(now.mono - *last);
    if (problem) return internal_error(*problem);
    return last ? overdue(now.mono - *last) : not_yet(now.mono - begun_);
  }

 private:
  /// Nobody can call while the Machine sleeps: that time is taken off every age. A call that came
  /// after it counts as now at most.
  void leave_out(Elapsed slept, TimePoint now) {
    if (slept == Elapsed::zero()) return;
    const auto later = [&](TimePoint moment) { return std::min(moment + slept, now); };
    begun_ = later(begun_);
    if (const auto call = calls_->last()) calls_->note(later(*call));
    if (touched_) touched_ = later(*touched_);
  }

  [[nodiscard]] Elapsed limit() const { return settings_.every + settings_.grace; }

  [[nodiscard]] ProbeResult on_time(Elapsed age) const {
    age = std::max(age, Elapsed::zero());
    auto result = observed(passed("called " + shown(age) + " ago"), age);
    result.ask_again_in = limit() - age + overdue_slack;
    return result;
  }

  /// Grace is the patience of this kind: `fall` would be a second one.
  [[nodiscard]] ProbeResult overdue(Elapsed age) const {
    const std::string every = "expected every " + shown(settings_.every);
    auto result = failed(Reason::stale, "no call for " + shown(age) + ", " + every);
    result.decisive = true;
    return observed(std::move(result), age);
  }

  [[nodiscard]] ProbeResult not_yet(Elapsed waited) const {
    if (!settings_.first_within) return undecided("no call since the agent started");
    if (waited <= *settings_.first_within) {
      auto result = undecided("no call since the agent started");
      result.ask_again_in = *settings_.first_within - waited + overdue_slack;
      return result;
    }
    auto result = failed(Reason::stale, "no call in the " + shown(waited) +
                                            " since the agent started, expected within " +
                                            shown(*settings_.first_within));
    result.decisive = true;
    return result;
  }

  static ProbeResult observed(ProbeResult result, Elapsed age) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(age).count();
    result.observed = Observation{static_cast<double>(seconds), "s", age_measurement};
    return result;
  }

  /// Notes a change of the file. A file that is not there has not been touched yet; why it can't be
  /// looked at is returned.
  std::optional<std::string> look_at_file(Instant now, Elapsed slept) {
    if (settings_.file.empty()) return std::nullopt;
    struct stat facts {};
    if (stat(settings_.file.c_str(), &facts) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
      return "cannot look at " + settings_.file + ": " + std::strerror(errno) +
             "; let the agent's user reach it";
    }
    const WallTime modified = modified_at(facts);
    if (modified == modified_) return std::nullopt;
    modified_ = modified;
    // Aged on the monotonic clock from here on: a step of the wall clock is no missed call. A time
    // in the future (another machine's clock) counts as now, once.
    const auto age = std::chrono::duration_cast<Elapsed>(now.wall - modified) - slept;
    touched_ = now.mono - std::max(Elapsed::zero(), age);
    return std::nullopt;
  }

  const HeartbeatSettings settings_;
  const std::shared_ptr<Calls> calls_;
  TimePoint begun_ = Clock::now();
  std::optional<WallTime> modified_;
  std::optional<TimePoint> touched_;
};

MadeProbe make(Settings& settings) {
  HeartbeatSettings read;
  read.every = settings.duration("every", {});
  read.grace = settings.duration("grace", {.min = Duration(0)});
  read.file = settings.text("file");
  if (settings.has("first_within")) read.first_within = settings.duration("first_within", {});
  if (settings.has("file") && !read.file.starts_with('/')) {
    settings.complain("file", "not a path from the root; write /data/backup.done");
  }
  MadeProbe made;
  made.may_stay_unknown = !read.first_within;
  made.silence_max = read.every + read.grace;
  made.target = read.file.empty() ? "" : "file:" + read.file;
  auto calls = std::make_shared<Calls>();
  made.probe = std::make_unique<HeartbeatProbe>(std::move(read), calls);
  made.signal = [calls](Instant now) { calls->note(now.mono); };
  return made;
}

}  // namespace

const KindSpec& heartbeat_kind() {
  static const KindSpec kind{
      .name = "heartbeat",
      .component_type = "component",
      .doc = "a job calls POST /heartbeat/NAME or touches a file often enough",
      .settings = own_settings,
      .metrics = {},
      .scope = ScopeRule::local,
      .impact = ImpactRule::degraded,
      .counts_while_unknown = false,
      .measurement = age_measurement,
      .make = &make,
  };
  return kind;
}

}  // namespace vitals
