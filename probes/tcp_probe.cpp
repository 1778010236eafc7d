// Kind tcp: connects, speaks TLS if told to, sends a text and waits for an expected answer. The
// smallest probe: copy it to start another.
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <vitals/kind.hpp>

#include "probes/net.hpp"
#include "probes/regex.hpp"
#include "probes/sent_text.hpp"
#include "probes/stream.hpp"
#include "probes/tls.hpp"

namespace vitals {
namespace {

/// The expected text has to come within this much of the answer.
constexpr std::size_t answer_max = 64 * 1024;
/// Of what was heard instead.
constexpr std::size_t start_max = 4 * 1024;
/// A peer that drips bytes must not make us search the whole answer again for each.
constexpr Duration search_pause{10};

const std::array<SettingSpec, 4> own_settings{{
    {.name = "address",
     .doc = "host:port, [v6]:port or unix:/path to connect to",
     .required = true},
    {.name = "send",
     .type = SettingType::live_text,
     .doc = "text to send when connected (and after the TLS handshake)",
     .secret = true,
     .harmless = is_harmless},
    {.name = "expect",
     .doc = "substring or /regex/ the answer must contain within its first 64 KiB"},
    {.name = "tls", .type = SettingType::flag, .fallback = "false", .doc = "speak TLS"},
}};

struct TcpSettings {
  http::SecretSink add_secret;
  Scrub scrub;
  net::Endpoint endpoint;
  std::optional<Text> send;
  std::optional<Matcher> expect;
};

std::string quoted(const std::string& text) { return '"' + text.substr(0, 80) + '"'; }

/// Reads until the expected text is there, and why it is not.
class Listener {
 public:
  Listener(const net::Stream& stream, const TcpSettings& settings, const Deadline& deadline)
      : stream_(stream), settings_(settings), expected_(*settings.expect), deadline_(deadline) {}

  ProbeResult run() {
    while (true) {
      const auto ended = read();
      const bool last = ended.has_value() || heard_.size() >= answer_max;
      if (unsearched_ && (last || Clock::now() >= next_search_) && search()) {
        return passed("found " + expected_.shown());
      }
      if (ended) return *ended;
      if (last) return failed(Reason::assertion, missing(" in the first 64 KiB"));
    }
  }

 private:
  /// One read; the result when there is nothing more to come.
  std::optional<ProbeResult> read() {
    const auto end = unsearched_ ? std::min(deadline_.end(), next_search_) : deadline_.end();
    std::array<char, 16'384> block{};
    const auto count = net::read_some(stream_, block, Deadline(end, deadline_.interrupt_fd()));
    if (count) {
      if (count.value() == 0) return closed();
      heard_.append(block.data(), count.value());
      unsearched_ = true;
      return std::nullopt;
    }
    if (count.error().reason != Reason::timeout) return net::to_result(count.error());
    if (Clock::now() < deadline_.end() && unsearched_) return std::nullopt;  // time to search
    return failed(Reason::timeout, missing(" within the timeout"));
  }

  bool search() {
    unsearched_ = false;
    next_search_ = Clock::now() + search_pause;
    last_match_ = expected_.find_in(heard_);
    return last_match_ == Match::yes;
  }

  ProbeResult closed() {
    if (heard_.empty()) return failed(Reason::reset, "the peer closed without an answer");
    if (unsearched_ && search()) return passed("found " + expected_.shown());
    return failed(Reason::assertion, missing(" before the peer closed"));
  }

  [[nodiscard]] std::string missing(std::string_view where) const {
    std::string text = "no " + expected_.shown() + std::string(where);
    if (!heard_.empty()) text += ", but " + quoted(heard_start());
    return text + std::string(give_up_note(last_match_));
  }

  /// Enough to show, without what the peer repeats of a secret: a cut piece would not be known.
  [[nodiscard]] std::string heard_start() const {
    const bool whole = heard_.size() <= start_max;
    return settings_.scrub(std::string_view(heard_).substr(0, start_max),
                           whole ? SecretSet::Ending::whole : SecretSet::Ending::cut);
  }

  const net::Stream& stream_;
  const TcpSettings& settings_;
  const Matcher& expected_;
  const Deadline& deadline_;
  std::string heard_;
  bool unsearched_ = false;
  TimePoint next_search_{};
  Match last_match_ = Match::no;
};

class TcpProbe : public Probe {
 public:
  TcpProbe(TcpSettings settings, std::optional<tls::TlsSettings> tls)
      : settings_(std::move(settings)) {
    if (tls) tls_.emplace(*std::move(tls));
  }

  ProbeResult run(const Attempt& attempt) override {
    PhaseTimes phases;
    ProbeResult result = ask(attempt, phases);
    result.phases = phases;
    return result;
  }

 private:
  ProbeResult ask(const Attempt& attempt, PhaseTimes& phases) {
    tls::Client* const tls = tls_ ? &*tls_ : nullptr;
    auto opened = net::open_stream(settings_.endpoint, tls, attempt.deadline, phases);
    if (!opened) return tls::to_result(opened.error(), tls);
    const auto& [stream, peer, session] = opened.value();
    auto result = talk(stream, peer.text(), attempt.deadline, phases);
    if (!session) return result;
    if (!settings_.expect && result.outcome == Outcome::pass) {
      const auto refusal = net::await_refusal(stream, *session, attempt.deadline);
      if (refusal) result = net::to_result(*refusal);
    }
    if (result.outcome == Outcome::pass) net::say_goodbye(stream);
    tls::judge_certificate(result, *session, tls_->settings(), attempt.now.wall);
    return result;
  }

  ProbeResult talk(const net::Stream& stream, const std::string& peer, const Deadline& deadline,
                   PhaseTimes& phases) {
    auto begin = Clock::now();
    if (settings_.send) {
      const auto text = settings_.send->read();
      if (!text) return internal_error("send: " + text.error().message);
      hide_sent(text.value(), settings_.add_secret);
      const auto failure = net::write_all(stream, text.value(), deadline);
      phases.set(Phase::request, Clock::now() - begin);
      if (failure) return net::to_result(*failure);
      begin = Clock::now();
    }
    if (!settings_.expect) return passed("connected to " + peer);
    auto result = Listener(stream, settings_, deadline).run();
    phases.set(Phase::transfer, Clock::now() - begin);
    return result;
  }

  TcpSettings settings_;
  std::optional<tls::Client> tls_;
};

/// "tcp://host:port" is what VITALS_CHECK_<NAME> puts here.
Result<net::Endpoint> parse_address(std::string_view text) {
  constexpr std::string_view scheme = "tcp://";
  constexpr std::string_view unix_form = "unix:";
  if (!text.starts_with(unix_form)) {
    if (text.starts_with(scheme)) text.remove_prefix(scheme.size());
    return net::parse_host_port(text);
  }
  text.remove_prefix(unix_form.size());
  if (text.starts_with("//")) text.remove_prefix(2);
  net::Endpoint endpoint;
  endpoint.unix_path = text;
  if (!text.starts_with('/') || text.size() > net::unix_path_max) {
    return Error{"write unix:/path, with at most 107 bytes of path"};
  }
  return endpoint;
}

std::optional<TcpSettings> read_settings(Settings& settings) {
  TcpSettings read;
  bool good = settings.has("address");  // its absence is a mistake that is already noted
  const auto address = settings.text("address");
  if (good) {
    auto endpoint = parse_address(address);
    good = endpoint.ok();
    if (good) {
      read.endpoint = std::move(endpoint).value();
    } else {
      settings.complain("address", "not an address: " + endpoint.error().message);
    }
  }
  read.add_secret = settings.secret_sink();
  read.scrub = settings.secret_scrubber();
  if (settings.has("send")) {
    read.send = settings.live_text("send");
    // While the config loads, so that these are never dropped.
    if (const auto text = read.send->read()) hide_sent(text.value(), read.add_secret);
  }
  if (settings.has("expect")) {
    auto matcher = Matcher::parse(settings.text("expect"));
    good = good && matcher.ok();
    if (matcher) {
      read.expect = std::move(matcher).value();
    } else {
      settings.complain("expect", matcher.error().message);
    }
  }
  return good ? std::optional(std::move(read)) : std::nullopt;
}

MadeProbe make(Settings& settings) {
  auto own = read_settings(settings);
  auto tls = tls::read_settings(settings);
  const bool with_tls = settings.flag("tls");
  if (!own) return {};
  MadeProbe made;
  made.target = net::target_text("tcp", own->endpoint);
  made.on_loopback = own->endpoint.on_loopback();
  made.probe = std::make_unique<TcpProbe>(*std::move(own),
                                          with_tls ? std::optional(std::move(tls)) : std::nullopt);
  return made;
}

}  // namespace

const KindSpec& tcp_kind() {
  static const auto settings = tls::join(own_settings, tls::setting_specs);
  static constexpr std::array<std::string_view, 1> schemes{"tcp"};
  static const KindSpec kind{
      .name = "tcp",
      .component_type = "component",
      .doc = "connects to a TCP port; sends a text and waits for an answer if told to",
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
