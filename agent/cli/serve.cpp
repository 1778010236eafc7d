// `vitals serve`: builds every part by hand, then waits for signals.
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "agent/app_metrics/app_metrics.hpp"
#include "agent/child/app_link.hpp"
#include "agent/child/app_readings.hpp"
#include "agent/child/spawn.hpp"
#include "agent/cli/commands.hpp"
#include "agent/config/origin.hpp"
#include "agent/config/quantity.hpp"
#include "agent/fleet/fleet.hpp"
#include "agent/front/hand_over.hpp"
#include "agent/front/herald.hpp"
#include "agent/idle/autostop.hpp"
#include "agent/idle/jobs.hpp"
#include "agent/log.hpp"
#include "agent/log_events.hpp"
#include "agent/schedule/keeper.hpp"
#include "agent/schedule/scheduler.hpp"
#include "agent/serve/endpoints.hpp"
#include "agent/serve/http_server.hpp"
#include "agent/serve/listener.hpp"
#include "agent/serve/metrics.hpp"
#include "agent/verdict/board.hpp"
#include "probes/app_connections.hpp"
#include "probes/registry.hpp"

namespace vitals::cli {
namespace {

/// How long a clean stop waits for answers on their way and for probes in flight.
constexpr Duration stop_limit{1'000};
constexpr Duration summary_every = std::chrono::hours(1);

/// One to wait on, one for a connection, one for a second address or a fresh attempt beside it.
constexpr std::size_t descriptors_per_check = 3;

/// 1,000 threads must not each get an arena, and need more descriptors than shells give.
void prepare_process() {
  constexpr int arenas_max = 2;
  mallopt(M_ARENA_MAX, arenas_max);
  raise_descriptor_limit();
  signal(SIGPIPE, SIG_IGN);
}

sigset_t waited_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  return signals;
}

constexpr Duration machine_age_max{1'000};

/// What a look at the app's connections may take of the half second to the next one.
constexpr Duration look_limit{250};

idle::Traffic traffic_of(const front::Counts& counts) {
  idle::Traffic traffic;
  traffic.by_door = true;
  traffic.connections = counts.connections;
  traffic.in_flight = counts.in_flight;
  if (counts.active_ms != 0) traffic.last_active = TimePoint(Duration(counts.active_ms));
  return traffic;
}

idle::Traffic traffic_at(std::uint16_t port) {
  idle::Traffic traffic;
  if (port == 0) return traffic;
  const auto clients = count_clients(port, Deadline::after(look_limit));
  if (clients) traffic.connections = clients.value();
  if (!clients) traffic.unknown = clients.error().message;
  return traffic;
}

std::vector<std::shared_ptr<const CheckSpec>> specs_of(const Config& config) {
  std::vector<std::shared_ptr<const CheckSpec>> specs;
  for (const ConfiguredCheck& check : config.checks) specs.push_back(check.spec);
  specs.insert(specs.end(), config.groups.begin(), config.groups.end());
  return specs;
}

/// For the agent after us.
void keep_origin(int link, const Config& config) {
  if (config.origin) child::hand_config_over(link, config::to_bytes(*config.origin));
}

/// What an agent under `vitals run` shares with the supervisor.
struct Supervised {
  Fd link;
  child::SupervisorSettings settings;
  std::optional<front::OpenDoor> door;
};

/// Where the agent listens, and the address that it was asked for there.
struct Listening {
  std::unique_ptr<HttpServer> server;
  std::string address;
};

/// `inherited`: of the agent before us.
Result<Listening> listen_for(const Config& config, Fd inherited) {
  ServerLimits limits;
  limits.descriptors_kept = descriptors_per_check * config.checks.size();
  std::string address = config.server.listen;
  Fd spare(inherited ? fcntl(inherited.get(), F_DUPFD_CLOEXEC, 0) : -1);
  auto server = HttpServer::listen(address, limits, std::move(inherited));
  if (!server && spare) {
    // A reload may have asked for what is somebody else's, or for what the supervisor, which keeps
    // our listener, is in the way of: that waits for a restart, and is no reason to be gone.
    address = http::bound_address(spare);
    server = HttpServer::listen(address, limits, std::move(spare));
  }
  if (!server) return server.error();
  return Listening{std::move(server).value(), std::move(address)};
}

/// A reload reads the file that was found before: one that is gone is a mistake, and no reason to
/// go by another file, or by the environment, where there may be nothing to check.
ConfigSource following_file(ConfigSource source, const Config& config) {
  if (config.origin) source.file = config.origin->path;
  return source;
}

/// Empty: no door runs.
front::DoorAddresses addresses_of_door(const std::optional<Supervised>& supervised) {
  if (!supervised || !supervised->door) return {};
  return supervised->door->page.addresses();
}

/// The running agent. Members are destroyed in reverse order: the scheduler before what it uses.
class Agent {
 public:
  /// Without `supervised` there is no supervisor.
  Agent(ConfigSource source, Config config, Listening listening, Instant started,
        std::optional<Supervised> supervised)
      : source_(following_file(std::move(source), config)),
        config_(std::move(config)),
        running_listen_(std::move(listening.address)),
        running_door_(addresses_of_door(supervised)),
        log_(config_.log),
        server_(std::move(listening.server)),
        board_(started, [this](const Event& event) { on_event(event); }),
        keeper_(board_),
        fleet_(board_, addresses_of),
        scheduler_(board_, keeper_),
        autostop_(autostop_parts()),
        endpoints_(sources()) {
    if (!supervised) return;
    supervisor_settings_ = supervised->settings;
    app_link_ = std::make_unique<child::AppLink>(std::move(supervised->link), board_, log_);
    if (!supervised->door) return;
    door_listener_ = std::move(supervised->door->listener);
    herald_ =
        std::make_unique<front::Herald>(std::move(supervised->door->page), started.mono, [this] {
          const Instant now = Instant::now();
          keeper_.look(now);
          const auto snapshot = board_.latest();
          return front::verdicts_of(*snapshot, judge(*snapshot, now.mono));
        });
  }

  /// Answers first, then everything that costs time.
  std::optional<Error> start() {
    apply_settings();
    board_.set_checks(specs_of(config_), config_.shared_rule, Instant::now());
    scheduler_.expect_calls(config_.checks);
    if (app_link_) {
      if (auto error = hand_over()) return error;
      if (auto error = app_link_->start()) return error;
    }
    auto refused =
        server_->start([this](const HttpRequest& request) { return endpoints_.handle(request); },
                       Endpoints::slow_paths());
    if (refused) return refused;
    if (herald_) {
      if (auto error = herald_->start()) return error;
    }
    initialise_probe_libraries();
    follow_app_metrics();
    announce();
    if (auto error = fleet_.configure(fleet_settings())) return error;
    if (auto error = keeper_.start([this] { scheduler_.run_all_now(); })) return error;
    if (auto error = watch_idleness()) return error;
    return scheduler_.run(std::move(config_.checks), first_run_spread);
  }

  /// The file is bad: what was in force before stays.
  void reject(const std::vector<std::string>& mistakes) {
    board_.note_reload(false, Instant::now());
    for (const std::string& line : mistakes) {
      log_.line(LogLevel::error, "config rejected, nothing changed", {{"detail", line}});
    }
  }

  /// Until TERM or INT.
  void wait(const sigset_t& signals) {
    TimePoint summary_at = Clock::now() + summary_every;
    while (true) {
      const Elapsed left = std::max(Elapsed::zero(), Elapsed(summary_at - Clock::now()));
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
      const timespec wait{seconds.count(), (left - seconds).count()};
      const int signal_number = sigtimedwait(&signals, nullptr, &wait);
      if (signal_number == SIGTERM || signal_number == SIGINT) {
        log_.line(LogLevel::info, "stopping",
                  {{"signal", signal_number == SIGTERM ? "TERM" : "INT"}});
        return;
      }
      if (signal_number == SIGHUP) {
        reload();
      } else if (signal_number < 0 && errno == EAGAIN) {
        log_summary(log_, *board_.latest(), Instant::now());
        scheduler_.reap();
        summary_at += summary_every;
      }
    }
  }

  /// False when a probe hangs in a library: its thread still uses our parts.
  bool stop() {
    autostop_.stop();
    if (app_link_) app_link_->stop();
    if (herald_) herald_->stop();
    app_metrics_.stop();
    server_->stop(stop_limit);
    fleet_.stop();
    keeper_.stop();
    return scheduler_.stop(stop_limit);
  }

 private:
  /// The supervisor starts the app after this.
  std::optional<Error> hand_over() {
    const int link = app_link_->descriptor();
    if (herald_) herald_->say();
    if (const Fd listener = std::move(door_listener_)) {
      if (auto error = front::hand_over(config_, link, listener.get(), herald_->page_fd()))
        return error;
    }
    child::hand_listener_over(link, server_->listener());
    keep_origin(link, config_);
    child::tell_ready(link, supervisor_settings_);
    return std::nullopt;
  }

  void on_event(const Event& event) {
    log_event(log_, event);
    if (app_link_ && event.type == Event::Type::ready && event.on) app_link_->note_ready();
    fleet_.nudge();
    if (herald_) herald_->wake();
  }

  /// Nobody is asked where the answer would change nothing.
  fleet::FleetSettings fleet_settings() const {
    fleet::FleetSettings settings;
    if (config_.shared_rule != SharedRule::fleet) return settings;
    settings.peers = config_.fleet.peers;
    settings.port = config_.fleet.port;
    settings.sample = config_.fleet.sample;
    settings.own_address = source_.environment("FLY_PRIVATE_IP").value_or("");
    return settings;
  }

  /// After a look at the clocks: whoever reads first may be the first to notice a resume.
  std::shared_ptr<const Snapshot> snapshot_now() {
    keeper_.look(Instant::now());
    return board_.latest();
  }

  std::optional<Error> watch_idleness() {
    return autostop_.configure(config_.autostop, board_.latest()->started.mono);
  }

  idle::AutostopParts autostop_parts() {
    return {
        .board = board_,
        .holds = holds_,
        .log = log_,
        .snapshot = [this] { return snapshot_now(); },
        .traffic =
            [this](std::uint16_t port) {
              return herald_ ? traffic_of(herald_->counts()) : traffic_at(port);
            },
        .jobs = [this] { return jobs(); },
        .app_runs = [this] { return !app_link_ || app_link_->state().pid != 0; },
        .rest = [this](bool idle) { scheduler_.rest(idle); },
        .exit =
            [this] {
              if (app_link_) return app_link_->retire();
              kill(getpid(), SIGTERM);
            },
        .machine = {.app = source_.environment("FLY_APP_NAME").value_or(""),
                    .machine = source_.environment("FLY_MACHINE_ID").value_or("")},
    };
  }

  std::vector<std::string> jobs() {
    if (!app_link_) return {};
    const child::AppState app = app_link_->state();
    // It has left nothing behind yet, and who is the front door is told with its start.
    if (app.pid == 0) return {};
    return idle::adopted_by(getppid(), std::array{getpid(), app.pid, app.door_pid});
  }

  EndpointSources sources() {
    EndpointSources sources;
    sources.snapshot = [this] { return snapshot_now(); };
    sources.hold = [this](std::string_view name, Duration ttl) {
      const bool taken = holds_.put(name, ttl, Clock::now());
      if (taken) {
        log_.line(LogLevel::info, "busy",
                  {{"name", std::string(name)}, {"for", config::format_duration(ttl)}});
      }
      return taken;
    };
    sources.release = [this](std::string_view name) {
      if (!holds_.remove(name)) return;
      log_.line(LogLevel::info, "not busy any more", {{"name", std::string(name)}});
    };
    sources.now = [] { return Instant::now(); };
    sources.metrics = [this](bool openmetrics) { return metrics(openmetrics); };
    sources.drain = [this](bool draining) {
      // Nobody takes back the end of the app.
      if (!draining && app_link_ && app_link_->state().draining) return;
      board_.set_draining(draining, Instant::now());
    };
    sources.mute = [this](std::string_view check, Duration ttl) {
      return board_.mute(check, ttl, Instant::now());
    };
    sources.heartbeat = [this](std::string_view check) {
      return scheduler_.signal(check, Instant::now());
    };
    sources.unmute = [this](std::string_view check) {
      return board_.unmute(check, Instant::now());
    };
    sources.next_attempt = [this](std::string_view check) {
      return scheduler_.next_attempt(check);
    };
    sources.history = &board_.history();
    sources.identity = identity_of(source_.environment);
    return sources;
  }

  std::string metrics(bool openmetrics) {
    const Instant now = Instant::now();
    keeper_.look(now);
    const auto snapshot = board_.latest();
    const Judgement judgement = judge(*snapshot, now.mono);
    const HttpStats http = server_->stats();
    const AgentUsage usage = read_agent_usage();
    const DelayHistogram delays = scheduler_.delays();
    const auto compat = compat_.load();
    std::vector<OtherReading> readings;
    if (app_link_) {
      const child::AppState state = app_link_->state();
      readings = child::app_readings(state, child::read_app_usage(state.pid));
    }
    for (Measurement& measurement : machine_now(now.mono)) {
      readings.push_back({{}, std::move(measurement)});
    }
    const AppMetricsView app = app_metrics_.view(now.mono);
    MetricsInput input{.snapshot = *snapshot,
                       .judgement = judgement,
                       .http = http,
                       .agent = usage,
                       .scheduler_delay = delays,
                       .compat = *compat,
                       .now = now,
                       .others = readings,
                       .app = &app};
    if (herald_) input.front = herald_->counts();
    input.holds = holds_.active(now.mono);
    input.autostop_refused = autostop_.refusals();
    return render_metrics(input, openmetrics);
  }

  /// Whoever scrapes more often than this is told the same again.
  std::vector<Measurement> machine_now(TimePoint now) {
    auto machine = machine_.load();
    if (machine == nullptr || now >= machine->at + machine_age_max) {
      machine = std::make_shared<const Machine>(Machine{now, measure_machine()});
      machine_ = machine;
    }
    return machine->measurements;
  }

  /// What a reload may change beside the checks.
  void apply_settings() {
    log_.configure(config_.log);
    if (app_link_) app_link_->configure(config_.app);
    compat_ = std::make_shared<const std::set<Exporter>>(config_.server.compat);
    endpoints_.configure({config_.server.details, config_.server.token});
  }

  /// Its thread uses libcurl, which has to be initialised by then.
  void follow_app_metrics() {
    if (const auto error = app_metrics_.configure(config_.app.metrics, config_.server.compat)) {
      log_.line(LogLevel::error, "the app's metrics are not fetched", {{"detail", error->message}});
    }
  }

  void announce() {
    log_.line(LogLevel::info, "listening",
              {{"address", running_listen_},
               {"port", std::to_string(server_->port())},
               {"config", config_.source},
               {"checks", std::to_string(config_.checks.size())}});
    warn_of_nothing();
    if (!app_link_ && !config_.app.front.empty()) {
      log_.line(LogLevel::warn, "no front door",
                {{"detail", "[app] front needs the parent of the app: vitals run -- CMD"}});
    }
    // An agent that comes back may find what the one before it said as true as ever.
    warn_of_addresses();
    log_remarks();
  }

  /// Before the checks are handed on.
  void warn_of_nothing() {
    if (!config_.checks.empty()) return;
    log_.line(LogLevel::warn, "nothing to check",
              {{"detail",
                "write [checks.NAME] into vitals.toml, or set PORT, DATABASE_URL or REDIS_URL"}});
  }

  void log_remarks() {
    for (const std::string& remark : config_.remarks) {
      log_.line(LogLevel::info, "config", {{"detail", remark}});
    }
  }

  /// What is bound stays bound: compared is what runs, not what an earlier reload asked for.
  void warn_of_addresses() {
    if (config_.server.listen != running_listen_) {
      log_.line(LogLevel::warn, "a new listen address needs a restart",
                {{"address", config_.server.listen}});
    }
    const AppConfig& app = config_.app;
    if (!app_link_ || front::DoorAddresses{app.front, app.upstream} == running_door_) return;
    log_.line(LogLevel::warn, "a new front door needs a restart",
              {{"front", app.front}, {"upstream", app.upstream}});
  }

  void reload() {
    auto loaded = load_config(source_);
    if (!loaded) {
      reject(loaded.error().lines);
      return;
    }
    if (app_link_) {
      const auto settings = child::supervisor_settings(loaded.value());
      if (!settings) {
        reject({settings.error().message});
        return;
      }
      child::tell_ready(app_link_->descriptor(), settings.value());
    }
    if (app_link_) keep_origin(app_link_->descriptor(), loaded.value());
    config_ = std::move(loaded).value();
    source_ = following_file(std::move(source_), config_);
    warn_of_nothing();
    warn_of_addresses();
    apply_settings();
    follow_app_metrics();
    board_.set_checks(specs_of(config_), config_.shared_rule, Instant::now());
    if (auto error = scheduler_.run(std::move(config_.checks), first_run_spread)) {
      board_.note_reload(false, Instant::now());
      log_.line(LogLevel::error, "config half in force", {{"detail", error->message}});
      return;
    }
    if (auto error = watch_idleness()) {
      log_.line(LogLevel::error, "idleness is not watched", {{"detail", error->message}});
    }
    if (auto error = fleet_.configure(fleet_settings())) {
      log_.line(LogLevel::error, "no other Machine can be asked", {{"detail", error->message}});
    }
    board_.note_reload(true, Instant::now());
    log_.line(LogLevel::info, "config reloaded", {{"config", config_.source}});
    log_remarks();
  }

  struct Machine {
    TimePoint at;
    std::vector<Measurement> measurements;
  };

  ConfigSource source_;
  Config config_;
  /// What is bound, as the configuration had it that it was bound for.
  const std::string running_listen_;
  const front::DoorAddresses running_door_;
  Log log_;
  AppMetrics app_metrics_{log_};
  std::atomic<std::shared_ptr<const std::set<Exporter>>> compat_;
  std::atomic<std::shared_ptr<const Machine>> machine_;
  const std::unique_ptr<HttpServer> server_;
  StatusBoard board_;
  Keeper keeper_;
  fleet::Fleet fleet_;
  Scheduler scheduler_;
  idle::Holds holds_;
  idle::Autostop autostop_;
  Endpoints endpoints_;
  std::unique_ptr<child::AppLink> app_link_;
  child::SupervisorSettings supervisor_settings_{};
  Fd door_listener_;                       // until the supervisor has it
  std::unique_ptr<front::Herald> herald_;  // with a front door
};

/// Of a process that the supervisor started. It has no terminal to lose, and a name that exec gave
/// it from a descriptor's number.
void prepare_beside_app() {
  signal(SIGTTOU, SIG_IGN);
  prctl(PR_SET_NAME, "vitals");
}

}  // namespace

int serve(const Arguments& arguments) {
  const Instant started = Instant::now();
  prepare_process();
  const sigset_t signals = waited_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  Fd link(arguments.link.value_or(-1));
  Fd page(link ? front::inherited_page() : Fd());
  Fd listener(link ? child::inherited_descriptor(child::agent_listener_fd) : Fd());
  const auto kept = link ? child::inherited_config() : std::nullopt;
  const bool comes_back = page || listener || kept;
  if (link) prepare_beside_app();

  ConfigSource source = config_source(arguments);
  auto origin = kept ? config::origin_from(*kept) : std::nullopt;
  if (origin) source.file = origin->path;
  auto config = load_config(source);
  ConfigMistakes mistakes;
  if (!config && origin) {
    // The agent before us would have gone on: an edit must not end it only because it died since.
    mistakes = config.error();
    config = load_config(source, *std::move(origin));
  }
  if (!config) return report_mistakes(config.error());
  auto listening = listen_for(config.value(), std::move(listener));
  if (!listening) return complain(listening.error().message, exit_failure);
  std::optional<Supervised> supervised;
  if (link) {
    const auto settings = child::supervisor_settings(config.value());
    if (!settings) return report_mistakes({{settings.error().message}});
    // What a reload asked for since waits for a restart, whoever died.
    auto door =
        comes_back ? front::take_door_over(std::move(page)) : front::open_door(config.value());
    if (!door) return complain(door.error().message, exit_failure);
    supervised = Supervised{std::move(link), settings.value(), std::move(door).value()};
  }

  auto agent =
      std::make_unique<Agent>(std::move(source), std::move(config).value(),
                              std::move(listening).value(), started, std::move(supervised));
  const auto error = agent->start();
  if (!mistakes.lines.empty()) agent->reject(mistakes.lines);
  if (!error) agent->wait(signals);
  // A thread that hangs in a library still uses the agent's parts: leave them to the end.
  const bool clean = agent->stop();
  const int code = error ? complain(error->message, exit_failure) : exit_ok;
  if (clean) return code;
  static_cast<void>(agent.release());
  std::_Exit(code);
}

}  // namespace vitals::cli
