// Kind http: asks a URL over a fresh connection and judges status, headers, body and certificate.
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <vitals/kind.hpp>

#include "probes/http_exchange.hpp"
#include "probes/http_rules.hpp"
#include "probes/http_settings.hpp"
#include "probes/net.hpp"
#include "probes/providers.hpp"
#include "probes/tls.hpp"

namespace vitals {
namespace {

using http::ExchangeAnswer;
using http::HttpSettings;
using http::LiveRequest;
using http::Target;

/// Of the body of an answer that fails anyway: enough to say what the server complains of.
constexpr std::size_t failure_body_max = 4'096;

constexpr std::array<MetricSpec, 1> own_metrics{{
    {.name = "check_http_status_code",
     .type = MetricType::gauge,
     .help = "Status of the last HTTP answer, 0 when none came.",
     .alias = "probe_http_status_code",
     .exporter = Exporter::blackbox},
}};

const auto& metrics() {
  static const auto all = tls::join(own_metrics, tls::metric_specs);
  return all;
}

bool is_redirect(int status) { return status >= 300 && status <= 399; }

/// A URL as it may be shown: no user, no query.
std::string shown_url(const Target& target) {
  return target.label() + target.path.substr(0, target.path.find('?'));
}

std::string shown_status(const ExchangeAnswer& answer) {
  return "HTTP " + std::to_string(answer.status) +
         (answer.status_text.empty() ? "" : " " + answer.status_text);
}

void add_phases(PhaseTimes& sum, const PhaseTimes& more) {
  for (const Phase phase :
       {Phase::resolve, Phase::connect, Phase::tls, Phase::request, Phase::transfer}) {
    if (const auto time = more.get(phase)) {
      sum.set(phase, sum.get(phase).value_or(Elapsed::zero()) + *time);
    }
  }
}

/// One attempt on its way through redirects.
struct Journey {
  Target at;
  std::string method;
  bool with_body = false;
  /// Still where the credentials belong. Once left, they are not sent again, also not on return: a
  /// stranger would have chosen what they are sent with.
  bool home = true;
  int hops = 0;
  PhaseTimes phases;
  std::optional<tls::Peer> peer;  // of the last hop, with the earliest end of all
};

class HttpProbe final : public Probe {
 public:
  explicit HttpProbe(HttpSettings settings)
      : settings_(std::move(settings)), foreign_tls_(settings_.tls) {
    foreign_tls_.server_name.clear();
    foreign_tls_.client_cert.clear();
    foreign_tls_.client_key.clear();
  }

  ProbeResult run(const Attempt& attempt) override;

 private:
  [[nodiscard]] ExchangeAnswer ask(const Attempt& attempt, const LiveRequest& live,
                                   Journey& journey, bool full_handshake);
  [[nodiscard]] std::optional<net::Failure> follow(const ExchangeAnswer& answer,
                                                   Journey& journey) const;
  [[nodiscard]] bool followable(const ExchangeAnswer& answer) const;
  [[nodiscard]] ProbeResult judge(const ExchangeAnswer& answer) const;
  [[nodiscard]] ProbeResult judge_body(const ExchangeAnswer& answer) const;
  [[nodiscard]] std::string shown_body(std::string_view body, SecretSet::Ending ending) const;
  [[nodiscard]] std::optional<std::size_t> body_wanted(int status) const;
  void remember_peer(const ExchangeAnswer& answer, Journey& journey);
  [[nodiscard]] ProbeResult travel(const Attempt& attempt, const LiveRequest& live,
                                   Journey& journey, bool full_handshake);

  HttpSettings settings_;
  tls::TlsSettings foreign_tls_;
  std::unique_ptr<http::HttpExchange> exchange_;
  int resumed_attempts_ = tls::full_handshake_every;  // since a full handshake; the first is full
  std::map<std::string, std::optional<WallTime>> ends_;  // of certificates seen in full
  int last_status_ = 0;
};

ProbeResult HttpProbe::run(const Attempt& attempt) {
  const auto live = http::read_live(settings_);
  if (!live) return internal_error(live.error().message);
  if (!exchange_) exchange_ = std::make_unique<http::HttpExchange>();

  const bool full = attempt.drop_connections || ++resumed_attempts_ >= tls::full_handshake_every;
  if (full) {
    resumed_attempts_ = 0;
    ends_.clear();
  }
  Journey journey;
  journey.at = live.value().target;
  journey.method = settings_.method;
  journey.with_body = settings_.has_body;
  last_status_ = 0;

  auto result = travel(attempt, live.value(), journey, full);
  result.phases = journey.phases;
  result.measurements.push_back({&metrics()[0], {}, static_cast<double>(last_status_)});
  if (journey.peer) {
    tls::judge_certificate(result, *journey.peer, settings_.tls, attempt.now.wall);
  }
  // What failed once is asked in full until it passes, so a kept session never hides a reason.
  if (result.outcome == Outcome::fail) resumed_attempts_ = tls::full_handshake_every;
  return result;
}

ProbeResult HttpProbe::travel(const Attempt& attempt, const LiveRequest& live, Journey& journey,
                              bool full_handshake) {
  while (true) {
    const auto answer = ask(attempt, live, journey, full_handshake && journey.hops == 0);
    if (answer.status != 0) last_status_ = answer.status;
    remember_peer(answer, journey);
    if (!followable(answer)) return judge(answer);
    if (const auto failure = follow(answer, journey)) return net::to_result(*failure);
  }
}

ExchangeAnswer HttpProbe::ask(const Attempt& attempt, const LiveRequest& live, Journey& journey,
                              bool full_handshake) {
  const bool proxied = live.proxy && !journey.at.endpoint.is_unix();
  const auto& endpoint = proxied ? live.proxy->endpoint : journey.at.endpoint;
  PhaseTimes phases;
  auto connected = net::open(endpoint, settings_.ip, attempt.deadline, phases);
  add_phases(journey.phases, phases);
  if (!connected) {
    ExchangeAnswer none;
    none.failure = connected.error();
    if (proxied) none.failure->detail = "the proxy: " + none.failure->detail;
    return none;
  }

  const auto& tls = journey.home ? settings_.tls : foreign_tls_;
  const auto host = journey.at.tls() ? tls.server_name : std::string();
  std::optional<http::ProxyUse> proxy;
  if (proxied) {
    proxy = http::ProxyUse{live.proxy->has_user, live.proxy->user, live.proxy->password,
                           host.empty() ? std::string() : journey.at.endpoint.text()};
  }
  http::ExchangeRequest request{
      .url = journey.at.url(host),
      .host = host.empty() ? std::string_view(journey.at.endpoint.host) : std::string_view(host),
      .method = journey.method,
      .headers = journey.home ? live.headers : live.foreign_headers,
      .body = journey.with_body ? &live.body : nullptr,
      .tls = tls,
      .proxy = std::move(proxy),
      .full_handshake = full_handshake,
      .body_wanted = [this](int status) { return body_wanted(status); },
      .body_max = settings_.max_body,
  };
  auto answer = exchange_->run(request, std::move(connected).value().fd, attempt.deadline);
  add_phases(journey.phases, answer.phases);
  return answer;
}

std::optional<std::size_t> HttpProbe::body_wanted(int status) const {
  if (settings_.expect_status.contains(status)) return std::nullopt;
  return is_redirect(status) ? 0 : std::min(failure_body_max, settings_.max_body);
}

void HttpProbe::remember_peer(const ExchangeAnswer& answer, Journey& journey) {
  if (!answer.peer) return;
  auto peer = *answer.peer;
  auto& end = ends_[journey.at.label()];
  if (!peer.resumed || !end) {
    end = peer.not_after;
  } else {
    peer.not_after = end;
  }
  if (journey.peer && journey.peer->not_after &&
      (!peer.not_after || *journey.peer->not_after < *peer.not_after)) {
    peer.not_after = journey.peer->not_after;
  }
  journey.peer = std::move(peer);
}

bool HttpProbe::followable(const ExchangeAnswer& answer) const {
  return settings_.follow > 0 && !answer.failure && is_redirect(answer.status) &&
         !settings_.expect_status.contains(answer.status) &&
         http::find_header(answer.head, "Location").has_value();
}

std::optional<net::Failure> HttpProbe::follow(const ExchangeAnswer& answer,
                                              Journey& journey) const {
  const auto fail = [](std::string detail) {
    return net::Failure{Reason::redirect, std::move(detail)};
  };
  const std::string location(*http::find_header(answer.head, "Location"));
  const auto url = http::HttpExchange::resolve_reference(journey.at.url(), location);
  auto next = url ? http::parse_target(*url) : Result<Target>(Error{"not a URL"});
  if (!next) return fail(shown_status(answer) + " leads nowhere: " + next.error().message);
  auto& to = next.value();
  if (to.endpoint.is_unix()) return fail(shown_status(answer) + " leads to a Unix socket");
  // On a Unix socket the server calls itself "localhost"; that is where we are.
  if (journey.at.endpoint.is_unix() && to.url() == "http://localhost" + to.path) {
    to.endpoint = journey.at.endpoint;
  }
  if (++journey.hops > settings_.follow) {
    return fail("more than " + std::to_string(settings_.follow) + " redirects, the last to " +
                shown_url(to));
  }
  if (journey.at.tls() && !to.tls()) {
    return fail(shown_status(answer) + " leads from https to " + shown_url(to) +
                ": not followed, it would give up encryption");
  }
  journey.home = journey.home && to.same_origin(journey.at);
  // RFC 9110 §15.4: 303 asks with GET; 301 and 302 turn a POST into a GET, as everybody does.
  const bool becomes_get =
      answer.status == 303 || (answer.status <= 302 && journey.method == "POST");
  if (becomes_get && journey.method != "HEAD") {
    journey.method = "GET";
    journey.with_body = false;
  }
  if (journey.with_body && !journey.home) {
    return fail(shown_status(answer) + " leads to " + shown_url(to) +
                ": not followed, the body is for the first host only");
  }
  journey.at = std::move(to);
  return std::nullopt;
}

ProbeResult HttpProbe::judge(const ExchangeAnswer& answer) const {
  // A wrong status says more than what went wrong after it; a redirect that would be followed is
  // not wrong.
  const bool unexpected = answer.status != 0 && !settings_.expect_status.contains(answer.status) &&
                          !(answer.failure && settings_.follow > 0 && is_redirect(answer.status));
  if (!unexpected) return answer.failure ? net::to_result(*answer.failure) : judge_body(answer);

  const auto expected = ", expected " + settings_.expect_status.text();
  if (is_redirect(answer.status)) {
    std::string detail = shown_status(answer) + expected;
    if (const auto location = http::find_header(answer.head, "Location")) {
      // A '?' may be part of a secret, so not before that is gone.
      const auto shown = settings_.scrub(*location, SecretSet::Ending::whole);
      detail += ": leads to " + shown.substr(0, shown.find('?'));
      if (settings_.follow == 0) detail += " (follow = 0)";
    }
    return failed(Reason::redirect, std::move(detail));
  }
  auto detail = shown_status(answer) + expected;
  const bool whole = !answer.body_cut && !answer.failure;
  const auto ending = whole ? SecretSet::Ending::whole : SecretSet::Ending::cut;
  if (const auto text = shown_body(answer.body, ending); !text.empty()) detail += ": " + text;
  return failed(Reason::status, std::move(detail));
}

/// What people get to see of a body. Taking out tags would take a secret with a '<' in it apart.
std::string HttpProbe::shown_body(std::string_view body, SecretSet::Ending ending) const {
  return http::readable_text(settings_.scrub(body, ending), ending == SecretSet::Ending::cut);
}

ProbeResult HttpProbe::judge_body(const ExchangeAnswer& answer) const {
  const auto status = std::to_string(answer.status);
  const auto got = [&] {
    const bool whole = answer.body.size() <= failure_body_max;
    const auto text = shown_body(std::string_view(answer.body).substr(0, failure_body_max),
                                 whole ? SecretSet::Ending::whole : SecretSet::Ending::cut);
    if (answer.body.empty()) return std::string("; the body is empty");
    return text.empty() ? text : "; got: " + text;
  };
  if (auto complaint = http::header_complaint(answer.head, settings_.expect_header)) {
    return failed(Reason::assertion, "HTTP " + status + ", " + *complaint);
  }
  if (settings_.expect_body) {
    const auto found = settings_.expect_body->find_in(answer.body);
    if (found != Match::yes) {
      return failed(Reason::assertion, "HTTP " + status + ", the body has no " +
                                           settings_.expect_body->shown() +
                                           std::string(give_up_note(found)) + got());
    }
  }
  if (settings_.reject_body) {
    // A search that was given up proves nothing, and what must not be there may be there.
    const auto found = settings_.reject_body->find_in(answer.body);
    if (found != Match::no) {
      return failed(Reason::assertion, "HTTP " + status + ", the body has " +
                                           settings_.reject_body->shown() +
                                           std::string(give_up_note(found)) + got());
    }
  }
  if (auto complaint = http::json_complaint(answer.body, settings_.expect_json)) {
    return failed(Reason::assertion, "HTTP " + status + ", " + *complaint);
  }
  return passed(status);
}

MadeProbe make(Settings& settings) {
  auto read = http::read_http_settings(settings);
  MadeProbe made;
  if (!read.target) return made;
  made.target = read.target->label();
  made.on_loopback = read.target->endpoint.on_loopback();
  made.probe = std::make_unique<HttpProbe>(std::move(read));
  return made;
}

}  // namespace

const KindSpec& http_kind() {
  static const auto settings = tls::join(http::setting_specs, tls::setting_specs);
  static constexpr std::array<std::string_view, 3> schemes{"http", "https", "http+unix"};
  static const KindSpec kind{
      .name = "http",
      .component_type = "component",
      .doc = "asks a URL and judges status, headers, body and certificate",
      .settings = settings,
      .metrics = metrics(),
      .scope = ScopeRule::local_on_loopback,
      .impact = ImpactRule::critical_when_local,
      .schemes = schemes,
      .url_setting = "url",
      .presets = providers(),
      .make = &make,
  };
  return kind;
}

}  // namespace vitals
