// Kind process: is it there, is it the same as before, and what does it use.
#include "probes/process_probe.hpp"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include <vitals/kind.hpp>
#include <vitals/process_metrics.hpp>
#include <vitals/text.hpp>

#include "probes/kernel_files.hpp"
#include "probes/process_facts.hpp"

namespace vitals {
namespace {

constexpr std::size_t pid_file_max = 64;

const std::array<SettingSpec, 3> own_settings{{
    {.name = "pid_file", .doc = "path of a file that holds its pid"},
    {.name = "exe", .doc = "path of the program it runs"},
    {.name = "name", .doc = "its name: of the program, or as it calls itself"},
}};

/// A pid file as it was read; a daemon that starts again writes it anew.
struct PidFile {
  pid_t pid = 0;
  ino_t inode = 0;
  timespec modified{};

  bool operator==(const PidFile& other) const {
    return pid == other.pid && inode == other.inode && modified.tv_sec == other.modified.tv_sec &&
           modified.tv_nsec == other.modified.tv_nsec;
  }
};

/// What there is to say when no process was found.
struct Missing {
  std::string detail;
  /// It was there, or a pid file says so: that it is gone is no matter of patience.
  bool decisive = false;
  bool internal = false;
};

class ProcessProbe : public Probe {
 public:
  ProcessProbe(ProcessSettings settings, std::string proc)
      : settings_(std::move(settings)), proc_(std::move(proc)) {}

  ProbeResult run(const Attempt& attempt) override {
    if (!read_kernel_file(proc_ + "/self/stat")) {
      return internal_error("no " + proc_ +
                            " here to look for processes in; mount it, or remove this check");
    }
    Missing missing;
    const auto facts = find(missing);
    if (!facts && missing.internal) return internal_error(missing.detail);
    if (!facts) return gone(missing);
    if (!known_ || !same(*facts)) {
      known_ = facts;
      // Once: computed again it would wander with every step of the wall clock.
      const double now = std::chrono::duration<double>(attempt.now.wall.time_since_epoch()).count();
      started_ = std::floor((now - age_of(*facts)) * 100) / 100;
    }
    return alive(*facts);
  }

 private:
  [[nodiscard]] bool same(const ProcessFacts& facts) const {
    return known_->pid == facts.pid && known_->start_ticks == facts.start_ticks;
  }

  std::optional<ProcessFacts> find(Missing& missing) {
    if (!settings_.pid_file.empty()) return find_by_file(missing);
    // The one we know, for as long as it lives: it may have brothers.
    if (known_) {
      auto facts = read_process(proc_, known_->pid);
      if (facts && same(*facts) && !facts->is_zombie()) return facts;
    }
    return search(missing);
  }

  std::optional<ProcessFacts> find_by_file(Missing& missing) {
    const auto file = read_pid_file(missing);
    if (!file) return std::nullopt;
    const std::string pid = "pid " + std::to_string(file->pid);
    auto facts = read_process(proc_, file->pid);
    missing.decisive = true;
    if (!facts) {
      missing.detail = pid + " is gone";
      return std::nullopt;
    }
    if (facts->is_zombie()) {
      missing.detail = pid + " is a zombie: it has ended";
      return std::nullopt;
    }
    const bool reused = known_ && known_->pid == facts->pid && !same(*facts) && file == known_file_;
    if (reused) {
      missing.detail = pid + " is gone, another process has its number";
      return std::nullopt;
    }
    known_file_ = file;
    return facts;
  }

  [[nodiscard]] std::optional<PidFile> read_pid_file(Missing& missing) const {
    const std::string& path = settings_.pid_file;
    struct stat facts {};
    const auto content = read_kernel_file(path, pid_file_max);
    if (!content || stat(path.c_str(), &facts) != 0) {
      const int error = errno;
      missing.internal = error != ENOENT && error != ENOTDIR;
      missing.detail = "cannot read " + path + ": " + std::strerror(error);
      if (missing.internal) missing.detail += "; let the agent's user read it";
      missing.decisive = known_.has_value();
      return std::nullopt;
    }
    constexpr std::uint64_t pid_max = 4'194'304;  // of Linux, on 64 bits
    const auto pid = leading_number(content->substr(0, content->find('\n')));
    if (pid && *pid > 0 && *pid <= pid_max) {
      return PidFile{static_cast<pid_t>(*pid), facts.st_ino, facts.st_mtim};
    }
    missing.detail = path + " holds no pid";
    return std::nullopt;
  }

  /// The oldest that fits.
  std::optional<ProcessFacts> search(Missing& missing) const {
    std::optional<ProcessFacts> oldest;
    std::optional<pid_t> zombie;
    std::size_t hidden = 0;
    for (const pid_t pid : list_processes(proc_)) {
      const auto facts = read_process(proc_, pid);
      if (!facts) continue;
      const auto fits = fit(*facts);
      if (fits == Runs::hidden) ++hidden;
      if (fits != Runs::yes) continue;
      if (facts->is_zombie()) {
        zombie = pid;
      } else if (!oldest || facts->start_ticks < oldest->start_ticks) {
        oldest = facts;
      }
    }
    missing.decisive = known_.has_value() || zombie.has_value();
    missing.detail = zombie   ? "pid " + std::to_string(*zombie) + " is a zombie: it has ended"
                     : known_ ? "pid " + std::to_string(known_->pid) + " is gone"
                              : "no process " + (settings_.exe.empty() ? "named " + settings_.name
                                                                       : "runs " + settings_.exe);
    missing.internal = !missing.decisive && hidden > 0;
    if (missing.internal) missing.detail += out_of_sight(hidden);
    return oldest;
  }

  static std::string out_of_sight(std::size_t hidden) {
    return " as far as the agent's user may see, and what " + std::to_string(hidden) +
           " of other users run is hidden from it; run vitals as the user of that process or as "
           "root, or find it by name or pid_file";
  }

  [[nodiscard]] Runs fit(const ProcessFacts& facts) const {
    if (!settings_.exe.empty()) return runs_file(proc_, facts.pid, settings_.exe);
    return has_name(proc_, facts, settings_.name) ? Runs::yes : Runs::no;
  }

  static void measure(ProbeResult& result, ProcessMetric metric, std::optional<double> value) {
    if (value) result.measurements.push_back({&spec_of(metric), {}, *value});
  }

  static ProbeResult gone(const Missing& missing) {
    auto result = failed(Reason::exited, missing.detail);
    result.decisive = missing.decisive;
    measure(result, ProcessMetric::up, 0);
    return result;
  }

  [[nodiscard]] ProbeResult alive(const ProcessFacts& facts) const {
    const auto age = static_cast<long long>(age_of(facts));
    std::string detail = "pid " + std::to_string(facts.pid) + ", up " + human_duration(age);
    if (facts.state == 'T') detail += ", stopped by a signal";
    auto result = passed(std::move(detail));
    measure(result, ProcessMetric::up, 1);
    measure(result, ProcessMetric::cpu_seconds, facts.cpu_seconds);
    measure(result, ProcessMetric::resident_memory, facts.resident_bytes);
    measure(result, ProcessMetric::open_fds, count_fds(proc_, facts.pid));
    measure(result, ProcessMetric::max_fds, max_fds(proc_, facts.pid));
    measure(result, ProcessMetric::threads, facts.threads);
    measure(result, ProcessMetric::start_time, started_);
    return result;
  }

  const ProcessSettings settings_;
  const std::string proc_;
  std::optional<ProcessFacts> known_;  // the last one seen alive
  std::optional<PidFile> known_file_;
  double started_ = 0;
};

MadeProbe make(Settings& settings) {
  ProcessSettings read{settings.text("pid_file"), settings.text("exe"), settings.text("name")};
  const int given = (settings.has("pid_file") ? 1 : 0) + (settings.has("exe") ? 1 : 0) +
                    (settings.has("name") ? 1 : 0);
  if (given == 0) settings.complain("name", "which process? give one of pid_file, exe and name");
  if (given > 1) {
    settings.complain(settings.has("pid_file") ? "pid_file" : "exe",
                      "give one of pid_file, exe and name alone");
  }
  for (const char* path : {"pid_file", "exe"}) {
    if (!settings.has(path) || settings.text(path).starts_with('/')) continue;
    settings.complain(path, "not a path from the root; write /run/app.pid or /usr/bin/app");
  }
  if (settings.has("name") && (read.name.empty() || read.name.find('/') != std::string::npos)) {
    settings.complain("name", "a name without slashes; for a path there is exe");
  }
  MadeProbe made;
  made.target = "process:" + read.pid_file + read.exe + read.name;
  made.probe = make_process_probe(std::move(read));
  return made;
}

}  // namespace

std::unique_ptr<Probe> make_process_probe(ProcessSettings settings, std::string proc) {
  return std::make_unique<ProcessProbe>(std::move(settings), std::move(proc));
}

const KindSpec& process_kind() {
  static const KindSpec kind{
      .name = "process",
      .component_type = "system",
      .doc = "a process is there, with its CPU, memory, descriptors and threads",
      .settings = own_settings,
      .metrics = std::span(process_metrics).first(process_metrics_of_any),
      .scope = ScopeRule::local,
      .impact = ImpactRule::critical_when_local,
      .make = &make,
  };
  return kind;
}

}  // namespace vitals
