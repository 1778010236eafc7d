// The thread behind the app's metrics, and what is remembered of them.
#include "agent/app_metrics/app_metrics.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>

#include "agent/app_metrics/fetch.hpp"
#include "probes/registry.hpp"

namespace vitals {
namespace {

constexpr std::string_view our_prefix = "vitals_";

/// A family named "x" also owns "x_bucket" and so on; ours have no such parts outside our prefix.
constexpr std::array<std::string_view, 3> blackbox_families{
    "probe_success", "probe_duration_seconds", "probe_http_duration_seconds"};

}  // namespace

bool is_our_family(std::string_view name, const std::set<Exporter>& compat) {
  if (name.starts_with(our_prefix)) return true;
  if (compat.contains(Exporter::blackbox) &&
      std::find(blackbox_families.begin(), blackbox_families.end(), name) !=
          blackbox_families.end()) {
    return true;
  }
  for (const KindSpec* kind : all_kinds()) {
    if (compat.contains(kind->up_exporter) && kind->up_alias == name) return true;
    for (const MetricSpec& metric : kind->metrics) {
      if (compat.contains(metric.exporter) && metric.alias == name) return true;
    }
  }
  return false;
}

AppMetrics::AppMetrics(Log& log) : log_(log), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

AppMetrics::~AppMetrics() { stop(); }

std::optional<Error> AppMetrics::configure(const std::optional<Text>& url,
                                           const std::set<Exporter>& compat) {
  const auto read = url ? url->read() : Result<std::string>(std::string());
  const std::string now = read ? read.value() : "";
  const bool same = now == last_url_ && url.has_value();
  last_url_ = now;
  if (same) {
    const std::lock_guard lock(mutex_);
    url_ = *url;
    compat_ = compat;
    return std::nullopt;
  }
  stop();
  if (!url) return std::nullopt;
  {
    const std::lock_guard lock(mutex_);
    running_ = true;
    url_ = *url;
    compat_ = compat;
  }
  auto thread = Thread::start("app metrics", [this] { run(); });
  if (!thread) return thread.error();
  thread_ = std::move(thread).value();
  return std::nullopt;
}

void AppMetrics::stop() {
  {
    const std::lock_guard lock(mutex_);
    running_ = false;
  }
  eventfd_write(wake_.get(), 1);
  thread_.join();
  eventfd_t ignored = 0;
  eventfd_read(wake_.get(), &ignored);
  const std::lock_guard lock(mutex_);
  page_.reset();
  ever_fetched_ = failing_ = false;
}

void AppMetrics::run() {
  while (true) {
    const TimePoint begin = Clock::now();
    fetch_once();
    Duration pause = app_metrics_interval;
    {
      const std::lock_guard lock(mutex_);
      if (!running_) return;
      if (!ever_fetched_) pause = app_metrics_boot_interval;
    }
    const Deadline next(begin + pause);
    pollfd entry{wake_.get(), POLLIN, 0};
    if (poll(&entry, 1, next.remaining_ms()) == 1) return;
  }
}

void AppMetrics::fetch_once() {
  Text source;
  std::set<Exporter> compat;
  {
    const std::lock_guard lock(mutex_);
    source = url_;
    compat = compat_;
  }
  const auto url = source.read();
  if (!url) {
    note_failure(DropCause::unreachable, url.error().message);
    return;
  }
  const TimePoint begin = Clock::now();
  const auto fetched = fetch_page(url.value(), Deadline(begin + app_metrics_timeout, wake_.get()));
  if (!fetched) {
    note_failure(fetched.error().cause, fetched.error().detail);
    return;
  }
  note_page(read_app_page(fetched.value().text, fetched.value().openmetrics,
                          [&](std::string_view name) { return is_our_family(name, compat); }),
            begin);
}

void AppMetrics::note_failure(DropCause cause, const std::string& detail) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (!running_) return;  // interrupted by a stop
    ++dropped_[static_cast<std::size_t>(cause)];
    first = !failing_;
    failing_ = true;
  }
  if (!first) return;
  log_.line(LogLevel::warn, "the app's metrics can't be fetched",
            {{"cause", std::string(drop_cause_labels[static_cast<std::size_t>(cause)])},
             {"detail", detail}});
}

void AppMetrics::note_page(AppPage page, TimePoint fetched) {
  std::uint64_t dropped = 0;
  for (const auto count : page.dropped) dropped += count;
  const std::size_t families = page.families.size();
  auto shared = std::make_shared<const AppPage>(std::move(page));
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < dropped_.size(); ++i) dropped_[i] += shared->dropped[i];
    news = failing_ || !ever_fetched_;
    failing_ = false;
    ever_fetched_ = true;
    page_ = std::move(shared);
    fetched_ = fetched;
  }
  if (!news) return;
  log_.line(
      dropped == 0 ? LogLevel::info : LogLevel::warn, "the app's metrics are merged",
      {{"families", std::to_string(families), true}, {"dropped", std::to_string(dropped), true}});
}

AppMetricsView AppMetrics::view(TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (page_ && now - fetched_ > app_metrics_stale_after) {
    page_.reset();
    ++dropped_[static_cast<std::size_t>(DropCause::stale)];
  }
  return {running_, page_, dropped_};
}

}  // namespace vitals
