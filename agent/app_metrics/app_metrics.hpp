// Fetches the app's metrics in the background, so that no scrape of ours waits for the app.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include <vitals/fd.hpp>
#include <vitals/kind.hpp>
#include <vitals/settings.hpp>
#include <vitals/time.hpp>

#include "agent/app_metrics/app_page.hpp"
#include "agent/log.hpp"
#include "agent/schedule/thread.hpp"

namespace vitals {

/// Contract §9.
inline constexpr Duration app_metrics_interval{15'000};
inline constexpr Duration app_metrics_timeout{2'000};
/// Until the first page came: the app may just be booting.
inline constexpr Duration app_metrics_boot_interval{2'000};
/// An older page is not shown: three intervals and one time limit, as with checks.
inline constexpr Duration app_metrics_stale_after = 3 * app_metrics_interval + app_metrics_timeout;

/// What of the app goes onto our page.
struct AppMetricsView {
  bool configured = false;
  std::shared_ptr<const AppPage> page;  // null: there is none, or it is stale
  DropCounts dropped{};
};

/// Is a family of that name on our page, or may it be? Everything with our prefix, and the names of
/// other exporters that `compat` turns on.
[[nodiscard]] bool is_our_family(std::string_view name, const std::set<Exporter>& compat);

/// One thread while a URL is configured. The log outlives it.
class AppMetrics {
 public:
  explicit AppMetrics(Log& log);
  ~AppMetrics();
  AppMetrics(const AppMetrics&) = delete;
  AppMetrics& operator=(const AppMetrics&) = delete;

  /// Fetches from there from now on; nothing: stops, and forgets the page. A change of the URL
  /// alone forgets it as well. Called from one thread.
  [[nodiscard]] std::optional<Error> configure(const std::optional<Text>& url,
                                               const std::set<Exporter>& compat);
  void stop();

  /// Thread-safe, does not wait for the app.
  [[nodiscard]] AppMetricsView view(TimePoint now);

 private:
  void run();
  void fetch_once();
  void note_failure(DropCause cause, const std::string& detail);
  void note_page(AppPage page, TimePoint fetched);

  Log& log_;
  Fd wake_;
  Thread thread_;
  std::string last_url_;  // of configure() alone

  /// Guards what follows; held for copies of pointers.
  std::mutex mutex_;
  bool running_ = false;
  Text url_;
  std::set<Exporter> compat_;
  std::shared_ptr<const AppPage> page_;
  TimePoint fetched_{};
  DropCounts dropped_{};
  bool failing_ = false;
  bool ever_fetched_ = false;
};

}  // namespace vitals
