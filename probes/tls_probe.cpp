// Kind tls: connects, shakes hands and judges the certificate; not a byte of the protocol behind
// it.
#include <array>
#include <cstdio>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <vitals/kind.hpp>
#include <vitals/text.hpp>

#include "probes/net.hpp"
#include "probes/stream.hpp"
#include "probes/tls.hpp"

namespace vitals {
namespace {

constexpr std::array<SettingSpec, 1> own_settings{{
    {.name = "address", .doc = "host:port or [v6]:port to connect to", .required = true},
}};

/// "2027-01-01".
std::string date_of(WallTime moment) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(moment);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d", &utc)};
}

/// "TLSv1.3, certificate until 2027-01-01 (41d00h)".
std::string shown(const tls::Peer& peer, WallTime now) {
  if (!peer.not_after) return peer.version + ", no certificate";
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(*peer.not_after - now);
  return peer.version + ", certificate until " + date_of(*peer.not_after) + " (" +
         human_duration(left.count()) + ")";
}

class TlsProbe final : public Probe {
 public:
  TlsProbe(net::Endpoint endpoint, tls::TlsSettings settings)
      : endpoint_(std::move(endpoint)), client_(std::move(settings)) {}

  ProbeResult run(const Attempt& attempt) override {
    PhaseTimes phases;
    ProbeResult result = ask(attempt, phases);
    result.phases = phases;
    return result;
  }

 private:
  ProbeResult ask(const Attempt& attempt, PhaseTimes& phases) {
    // First: a setting that can't work needs no connection.
    if (const auto context = client_.context(); !context) return net::to_result(context.error());
    // A resumed session shows no certificate, and that is what is asked for.
    client_.forget_session();
    const auto opened = net::open_stream(endpoint_, &client_, attempt.deadline, phases);
    if (!opened) return tls::to_result(opened.error(), &client_);
    const auto& peer = *opened.value().tls;
    const auto refusal = net::await_refusal(opened.value().stream, peer, attempt.deadline);
    if (!refusal) net::say_goodbye(opened.value().stream);
    auto result = refusal ? net::to_result(*refusal) : passed(shown(peer, attempt.now.wall));
    tls::judge_certificate(result, peer, client_.settings(), attempt.now.wall);
    return result;
  }

  net::Endpoint endpoint_;
  tls::Client client_;
};

MadeProbe make(Settings& settings) {
  constexpr std::string_view scheme = "tls://";
  auto text = settings.text("address");
  auto tls = tls::read_settings(settings);
  if (!settings.has("address")) return {};
  if (text.starts_with(scheme)) text.erase(0, scheme.size());
  auto endpoint = net::parse_host_port(text);
  if (!endpoint) {
    settings.complain("address", "not an address: " + endpoint.error().message);
    return {};
  }
  MadeProbe made;
  made.target = net::target_text("tls", endpoint.value());
  made.on_loopback = endpoint.value().on_loopback();
  made.probe = std::make_unique<TlsProbe>(std::move(endpoint).value(), std::move(tls));
  return made;
}

}  // namespace

const KindSpec& tls_kind() {
  static const auto settings = tls::join(own_settings, tls::setting_specs);
  static constexpr std::array<std::string_view, 1> schemes{"tls"};
  static const KindSpec kind{
      .name = "tls",
      .component_type = "component",
      .doc = "shakes hands with a TLS server and judges its certificate",
      .settings = settings,
      .metrics = tls::metric_specs,
      .scope = ScopeRule::local_on_loopback,
      .impact = ImpactRule::critical_when_local,
      .schemes = schemes,
      .url_setting = "address",
      .make = &make,
  };
  return kind;
}

}  // namespace vitals
