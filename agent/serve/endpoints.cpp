// Paths, formats, permissions and codes of contract §5: from a request to a reply.
#include "agent/serve/endpoints.hpp"

#include <vitals/text.hpp>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <utility>

#include "agent/config/quantity.hpp"
#include "agent/idle/holds.hpp"
#include "agent/json_writer.hpp"
#include "agent/serve/document_cache.hpp"
#include "agent/serve/history_report.hpp"
#include "agent/serve/metrics.hpp"
#include "agent/serve/page.hpp"
#include "agent/serve/permissions.hpp"
#include "agent/serve/token_check.hpp"
#include "agent/text/names.hpp"
#include "agent/verdict/last_attempt.hpp"

namespace vitals {
namespace {

constexpr std::string_view text_type = "text/plain; charset=utf-8";
constexpr std::string_view html_type = "text/html; charset=utf-8";
constexpr std::string_view health_type = "application/health+json";
constexpr std::string_view json_type = "application/json";

constexpr std::string_view check_prefix = "/health/check/";
constexpr std::string_view mute_prefix = "/mute/";
constexpr std::string_view heartbeat_prefix = "/heartbeat/";
constexpr std::string_view busy_prefix = "/busy/";
constexpr std::string_view read_methods = "GET, HEAD";
constexpr std::string_view post_method = "POST";
constexpr std::string_view put_methods = "PUT, DELETE";

/// Larger documents are made on the worker.
constexpr std::size_t checks_rendered_inline_max = 100;

enum class Action { document, metrics, history, drain, undrain, mute, heartbeat, busy };

struct Route {
  std::string_view path;
  std::string_view endpoint;  // label of the metrics
  Action action;
  View view = View::health;
};

constexpr std::string_view page_path = "/";
constexpr std::array<Route, 13> routes{{
    {page_path, "page", Action::document, View::health},
    {"/health", "health", Action::document, View::health},
    {"/healthz", "health", Action::document, View::health},
    {"/health/ready", "ready", Action::document, View::ready},
    {"/readyz", "ready", Action::document, View::ready},
    {"/health/live", "live", Action::document, View::live},
    {"/livez", "live", Action::document, View::live},
    {"/health/startup", "startup", Action::document, View::startup},
    {"/startupz", "startup", Action::document, View::startup},
    {"/metrics", "metrics", Action::metrics, View::health},
    {"/history", "history", Action::history, View::health},
    {"/drain", "control", Action::drain, View::health},
    {"/undrain", "control", Action::undrain, View::health},
}};
/// A name follows the path.
constexpr std::array<Route, 4> named_routes{{
    {check_prefix, "check", Action::document, View::check},
    {mute_prefix, "control", Action::mute, View::health},
    {heartbeat_prefix, "control", Action::heartbeat, View::health},
    {busy_prefix, "control", Action::busy, View::health},
}};

constexpr std::string_view not_found_sentence =
    "there is nothing here; try /health, /health/ready, /health/live, /health/startup, "
    "/health/check/NAME, /history, /metrics or / for the status page";
/// With advice that could help.
constexpr std::string_view hidden_sentence(Details details, bool token_is_set) {
  if (details == Details::never) {
    return "details are hidden from everyone ([server] details = \"never\"); \"private\" shows "
           "them "
           "inside the private network, \"token\" to whoever has the token";
  }
  if (token_is_set) {
    return "details are hidden from this request; show the bearer token ([server] token)";
  }
  if (details == Details::token) {
    return "details are hidden from everyone: [server] details is \"token\", and no token is set";
  }
  return "details are hidden from requests that came through a proxy; ask inside the private "
         "network, or set [server] token and show it";
}
constexpr std::string_view forbidden_sentence =
    "control needs the bearer token ([server] token), or a request from this machine that came "
    "through no proxy";

const Route* find_route(std::string_view path) {
  for (const Route& route : named_routes) {
    if (path.starts_with(route.path)) return &route;
  }
  const auto found = std::find_if(routes.begin(), routes.end(),
                                  [&](const Route& route) { return route.path == path; });
  return found == routes.end() ? nullptr : &*found;
}

std::string_view allowed_methods(Action action) {
  switch (action) {
    case Action::document:
    case Action::metrics:
    case Action::history:
      return read_methods;
    case Action::drain:
    case Action::undrain:
    case Action::heartbeat:
      return post_method;
    case Action::mute:
    case Action::busy:
      return put_methods;
  }
  VITALS_ASSERT(false);
  return {};
}

/// Is `method` one of "GET, HEAD"?
bool is_allowed(std::string_view method, Action action) {
  std::string_view rest = allowed_methods(action);
  while (!rest.empty()) {
    const auto comma = rest.find(", ");
    if (rest.substr(0, comma) == method) return true;
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 2);
  }
  return false;
}

/// The last value wins, as in most servers; empty when it was not given.
std::string_view parameter(const HttpRequest& request, const std::string& name) {
  const auto [first, last] = request.query.equal_range(name);
  return first == last ? std::string_view() : std::string_view(std::prev(last)->second);
}

/// The page is what `/` is for, whatever Accept says; ?format= still wins.
Format format_of(const HttpRequest& request) {
  const auto named = parameter(request, "format");
  if (named.empty() && request.path == page_path) return Format::html;
  return choose_format(named, request.accept);
}

std::string_view content_type_of(Format format) {
  switch (format) {
    case Format::json:
      return health_type;
    case Format::html:
      return html_type;
    case Format::text:
    case Format::line:
      return text_type;
  }
  VITALS_ASSERT(false);
  return text_type;
}

/// {"error": sentence}, or the sentence alone for a terminal.
HttpReply refusal(const HttpRequest& request, int status, std::string_view sentence) {
  HttpReply reply;
  reply.status = status;
  if (format_of(request) == Format::json) {
    reply.content_type = json_type;
    reply.body = "{\"error\": ";
    append_json_string(reply.body, sentence);
    reply.body += "}\n";
  } else {
    reply.content_type = text_type;
    reply.body = std::string(sentence) + "\n";
  }
  return reply;
}

HttpReply deferred() {
  HttpReply reply;
  reply.defer = true;
  return reply;
}

HttpReply method_not_allowed(const HttpRequest& request, const Route& route) {
  const std::string allowed(allowed_methods(route.action));
  auto reply = refusal(request, 405, "this path answers to " + allowed + " only");
  reply.headers.emplace_back("Allow", allowed);
  return reply;
}

/// Does `?fail=` mean anything on this path?
bool listens_to_fail(View view) {
  switch (view) {
    case View::health:
    case View::ready:
    case View::check:
      return true;
    case View::live:
    case View::startup:
      return false;
  }
  VITALS_ASSERT(false);
  return false;
}

int code_of(const HttpRequest& request, View view, const Document& document) {
  // The page tells people of a failure; it does not fail.
  if (request.path == page_path && format_of(request) == Format::html) return 200;
  const auto fail = listens_to_fail(view) ? parameter(request, "fail") : std::string_view();
  if (fail == "never") return 200;
  if (document.stuck || !document.status.ok) return 503;
  if (fail == "any" && document.status.status != Status::pass) return 503;
  return 200;
}

/// Index in Snapshot::checks; nothing: there is none.
std::optional<std::size_t> find_check(const Snapshot& snapshot, std::string_view name) {
  const auto found = std::find_if(snapshot.checks.begin(), snapshot.checks.end(),
                                  [&](const auto& check) { return check->spec->name == name; });
  if (found == snapshot.checks.end()) return std::nullopt;
  return static_cast<std::size_t>(found - snapshot.checks.begin());
}

bool has_check(const Snapshot& snapshot, std::string_view name) {
  return find_check(snapshot, name).has_value();
}

/// Rendering that would keep the other clients waiting for a millisecond or more.
bool is_costly(const Snapshot& snapshot, const DocumentKey& key) {
  if (key.format == Format::html) return key.details;
  const bool lists_checks = key.view != View::check && key.details && key.format != Format::line;
  return lists_checks && snapshot.checks.size() > checks_rendered_inline_max;
}

std::string closest_check(const Snapshot& snapshot, std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& check : snapshot.checks) names.emplace_back(check->spec->name);
  return closest(name, names);
}

HttpReply done() {
  HttpReply reply;
  reply.status = 204;
  return reply;
}

/// ?ttl= of a mute or a hold; the error is for the client.
Result<Duration> time_to_live(std::string_view text, Duration usual) {
  static_assert(mute_max == idle::hold_max);
  if (text.empty()) return usual;
  auto ttl = config::parse_duration(text);
  if (ttl && ttl.value() > Duration(0) && ttl.value() <= mute_max) return ttl;
  return Error{"ttl must be a duration such as 30m or 1h, more than 0 and at most 24h"};
}

/// Names are shown to those alone who may see details.
std::string unknown_check_sentence(const Snapshot& snapshot, std::string_view name, bool details) {
  // What can't be a name is not repeated: somebody may have pasted a secret there.
  if (!details || !is_check_name(name)) return "no such check";
  std::string sentence = "no check '" + std::string(name) + "'";
  const auto guess = closest_check(snapshot, name);
  return guess.empty() ? sentence : sentence + "; did you mean '" + guess + "'?";
}

}  // namespace

struct Endpoints::Impl {
  struct Settings {
    explicit Settings(EndpointSettings given)
        : details(given.details), token(std::move(given.token)) {}
    const Details details;
    TokenCheck token;
  };
  using Rule = std::function<bool(const Caller&)>;

  explicit Impl(EndpointSources given) : sources(std::move(given)) {}

  HttpReply answer(const HttpRequest& request, const Route& route);
  HttpReply answer_document(const HttpRequest& request, const Route& route);
  std::string last_attempt(const std::shared_ptr<const Snapshot>& snapshot,
                           const std::string& check);
  HttpReply answer_metrics(const HttpRequest& request) const;
  HttpReply answer_history(const HttpRequest& request);
  HttpReply answer_drain(bool draining) const;
  HttpReply answer_mute(const HttpRequest& request) const;
  HttpReply answer_heartbeat(const HttpRequest& request) const;
  HttpReply answer_busy(const HttpRequest& request) const;
  HttpReply answer_control(const HttpRequest& request, const Route& route);
  std::shared_ptr<const Document> document(const std::shared_ptr<const Snapshot>& snapshot,
                                           const DocumentKey& key, bool may_defer);
  Document render(const Snapshot& snapshot, const Judgement& judgement, const DocumentKey& key,
                  const Instant& now) const;
  std::optional<bool> allowed(const HttpRequest& request, Settings& current,
                              const Rule& rule) const;
  std::shared_ptr<Settings> settings_now();

  const EndpointSources sources;
  std::mutex settings_mutex;
  std::shared_ptr<Settings> settings = std::make_shared<Settings>(EndpointSettings{});
  DocumentCache documents;
};

std::shared_ptr<Endpoints::Impl::Settings> Endpoints::Impl::settings_now() {
  const std::lock_guard lock(settings_mutex);
  return settings;
}

/// Nothing: the token has to be read first, which is not for this thread to wait for.
std::optional<bool> Endpoints::Impl::allowed(const HttpRequest& request, Settings& current,
                                             const Rule& rule) const {
  Caller caller{request.from_loopback, request.forwarded, false};
  if (rule(caller)) return true;
  if (request.authorization.empty()) return false;
  const bool reads = request.method == "GET" || request.method == "HEAD";
  const auto matches =
      current.token.matches(request.authorization, sources.now().mono,
                            reads ? TokenAge::recent : TokenAge::fresh, !request.may_defer);
  if (!matches) return std::nullopt;
  caller.has_token = *matches;
  return rule(caller);
}

Document Endpoints::Impl::render(const Snapshot& snapshot, const Judgement& judgement,
                                 const DocumentKey& key, const Instant& now) const {
  const ReportRequest report{key.view, key.check, key.details};
  Document document;
  document.status = report_status(snapshot, judgement, report);
  document.stuck = judgement.stuck;
  switch (key.format) {
    case Format::json:
      document.body = render_json(snapshot, judgement, report, sources.identity, now);
      break;
    case Format::html:
      document.body =
          render_page({snapshot, judgement, report, *sources.history, sources.identity, now});
      break;
    case Format::text:
      document.body = render_text(snapshot, judgement, report, now);
      break;
    case Format::line:
      document.body = render_line(snapshot, judgement, report, now);
      break;
  }
  return document;
}

/// Null: not known yet, and too much to render here.
std::shared_ptr<const Document> Endpoints::Impl::document(
    const std::shared_ptr<const Snapshot>& snapshot, const DocumentKey& key, bool may_defer) {
  const auto now = sources.now();
  const auto judged = documents.judge_at(snapshot, now);
  if (auto known = documents.find(judged, key)) return known;
  if (may_defer && is_costly(*snapshot, key)) return nullptr;
  auto made = std::make_shared<const Document>(render(*snapshot, judged->judgement, key, now));
  documents.put(judged, key, made);
  return made;
}

std::string Endpoints::Impl::last_attempt(const std::shared_ptr<const Snapshot>& snapshot,
                                          const std::string& check) {
  const auto now = sources.now();
  const std::size_t i = find_check(*snapshot, check).value();
  const auto judged = documents.judge_at(snapshot, now);
  return write_last_attempt(*snapshot->checks[i], judged->judgement.checks[i], now);
}

HttpReply Endpoints::Impl::answer_document(const HttpRequest& request, const Route& route) {
  const auto current = settings_now();
  DocumentKey key;
  key.view = route.view;
  key.format = format_of(request);
  const auto details = allowed(request, *current, [&](const Caller& caller) {
    return may_see_details(current->details, caller);
  });
  if (!details) return deferred();
  key.details = *details;
  const auto snapshot = sources.snapshot();
  if (route.view == View::check) {
    key.check = request.path.substr(check_prefix.size());
    if (!has_check(*snapshot, key.check)) {
      return refusal(request, 404, unknown_check_sentence(*snapshot, key.check, key.details));
    }
  }
  const auto found = document(snapshot, key, request.may_defer);
  if (found == nullptr) return deferred();
  HttpReply reply;
  reply.status = code_of(request, route.view, *found);
  reply.content_type = content_type_of(key.format);
  if (key.format == Format::html) {
    reply.headers = {{"Content-Security-Policy", std::string(page_policy())},
                     {"X-Content-Type-Options", "nosniff"},
                     {"Referrer-Policy", "no-referrer"}};
  }
  // For other Machines, which come through no proxy.
  if (route.view == View::check && !request.forwarded) {
    if (auto told = last_attempt(snapshot, key.check); !told.empty()) {
      reply.headers.emplace_back(last_attempt_header, std::move(told));
    }
  }
  if (request.may_share) {
    reply.shared = std::shared_ptr<const std::string>(found, &found->body);
  } else {
    reply.body = found->body;
  }
  return reply;
}

HttpReply Endpoints::Impl::answer_metrics(const HttpRequest& request) const {
  const bool openmetrics = prefers_openmetrics(request.accept);
  HttpReply reply;
  reply.content_type = openmetrics ? openmetrics_content_type : prometheus_content_type;
  reply.body = sources.metrics(openmetrics);
  return reply;
}

HttpReply Endpoints::Impl::answer_history(const HttpRequest& request) {
  if (request.may_defer) return deferred();
  const auto current = settings_now();
  const auto details = allowed(request, *current, [&](const Caller& caller) {
    return may_see_details(current->details, caller);
  });
  if (!details.value_or(false)) {
    const bool token_is_set = current->token.is_set(sources.now().mono);
    return refusal(request, 403, hidden_sentence(current->details, token_is_set));
  }
  const auto snapshot = sources.snapshot();
  const auto now = sources.now();
  const auto judged = documents.judge_at(snapshot, now);
  const std::string name(parameter(request, "check"));
  if (!name.empty() && !has_check(*snapshot, name)) {
    return refusal(request, 404, unknown_check_sentence(*snapshot, name, true));
  }
  HttpReply reply;
  reply.content_type = json_type;
  reply.body = name.empty() ? render_history(*snapshot, judged->judgement, *sources.history, now)
                            : render_check_history(*snapshot, judged->judgement, *sources.history,
                                                   {name, sources.next_attempt(name)}, now);
  return reply;
}

HttpReply Endpoints::Impl::answer_drain(bool draining) const {
  sources.drain(draining);
  return done();
}

HttpReply Endpoints::Impl::answer_heartbeat(const HttpRequest& request) const {
  const std::string name = request.path.substr(heartbeat_prefix.size());
  if (sources.heartbeat(name)) return done();
  const auto snapshot = sources.snapshot();
  if (!has_check(*snapshot, name)) {
    return refusal(request, 404, unknown_check_sentence(*snapshot, name, true));
  }
  return refusal(request, 404, "'" + name + "' is no heartbeat: nobody has to call in to it");
}

HttpReply Endpoints::Impl::answer_busy(const HttpRequest& request) const {
  const std::string name = request.path.substr(busy_prefix.size());
  if (!is_check_name(name)) {
    return refusal(request, 400, "a name of work has 1 to 63 of a-z, 0-9, '_' and '-'");
  }
  if (request.method == "DELETE") {
    sources.release(name);
    return done();
  }
  const auto ttl = time_to_live(parameter(request, "ttl"), idle::hold_default);
  if (!ttl) return refusal(request, 400, ttl.error().message);
  if (sources.hold(name, ttl.value())) return done();
  return refusal(request, 409,
                 "there are " + std::to_string(idle::holds_max) +
                     " holds already; end one, or use one name for work of one sort");
}

HttpReply Endpoints::Impl::answer_mute(const HttpRequest& request) const {
  const std::string name = request.path.substr(mute_prefix.size());
  const auto ttl = time_to_live(parameter(request, "ttl"), mute_default);
  const bool mutes = request.method == "PUT";
  if (mutes && !ttl) return refusal(request, 400, ttl.error().message);
  const bool known = mutes ? sources.mute(name, ttl.value()) : sources.unmute(name);
  if (known) return done();
  // Whoever may control may see names.
  return refusal(request, 404, unknown_check_sentence(*sources.snapshot(), name, true));
}

HttpReply Endpoints::Impl::answer_control(const HttpRequest& request, const Route& route) {
  const auto may = allowed(request, *settings_now(), may_control);
  if (!may) return deferred();
  if (!*may) return refusal(request, 403, forbidden_sentence);
  if (route.action == Action::mute) return answer_mute(request);
  if (route.action == Action::heartbeat) return answer_heartbeat(request);
  if (route.action == Action::busy) return answer_busy(request);
  return answer_drain(route.action == Action::drain);
}

HttpReply Endpoints::Impl::answer(const HttpRequest& request, const Route& route) {
  if (!is_allowed(request.method, route.action)) return method_not_allowed(request, route);
  switch (route.action) {
    case Action::document:
      return answer_document(request, route);
    case Action::metrics:
      return answer_metrics(request);
    case Action::history:
      return answer_history(request);
    case Action::drain:
    case Action::undrain:
    case Action::mute:
    case Action::heartbeat:
    case Action::busy:
      return answer_control(request, route);
  }
  VITALS_ASSERT(false);
  return {};
}

Endpoints::Endpoints(EndpointSources sources) : impl_(std::make_unique<Impl>(std::move(sources))) {}
Endpoints::~Endpoints() = default;

void Endpoints::configure(EndpointSettings settings) {
  auto next = std::make_shared<Impl::Settings>(std::move(settings));
  const std::lock_guard lock(impl_->settings_mutex);
  impl_->settings = std::move(next);
}

HttpReply Endpoints::handle(const HttpRequest& request) {
  const Route* route = find_route(request.path);
  if (route == nullptr) return refusal(request, 404, not_found_sentence);
  auto reply = impl_->answer(request, *route);
  reply.endpoint = route->endpoint;
  return reply;
}

std::vector<std::string> Endpoints::slow_paths() { return {"/metrics"}; }

}  // namespace vitals
