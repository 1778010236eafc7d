// Kind websocket: upgrades a connection (RFC 6455) and asks the server for a sign of life on it, a
// pong or the expected message. A server that upgrades and then hangs must not pass.
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <vitals/kind.hpp>

#include "probes/headers.hpp"
#include "probes/net.hpp"
#include "probes/regex.hpp"
#include "probes/sent_text.hpp"
#include "probes/stream.hpp"
#include "probes/tls.hpp"
#include "probes/web_target.hpp"
#include "probes/websocket_frame.hpp"
#include "probes/websocket_handshake.hpp"

namespace vitals {
namespace {

using websocket::FrameReader;
using websocket::Message;
using websocket::Opcode;

/// Of the answer to the upgrade request.
constexpr std::size_t head_max = 16 * 1024;
/// After the upgrade, until the answer is there: pushes of a busy server, not an endless stream.
constexpr std::size_t received_max = 16 * 1024 * 1024;
/// Of the last message that was not the expected one.
constexpr std::size_t shown_max = 4 * 1024;
/// How long a healthy server may take over its goodbye. The check has passed by then.
constexpr Duration goodbye_wait{100};
constexpr std::uint16_t normal_closure = 1'000;

constexpr std::array<SettingSpec, 5> own_settings{{
    {.name = "url",
     .type = SettingType::live_text,
     .doc = "ws://, wss:// or ws+unix://%2Frun%2Fapp.sock/path",
     .required = true,
     .url = true},
    {.name = "send",
     .type = SettingType::live_text,
     .doc = "text message to send; unless expect is given, too, a ping must be answered",
     .secret = true,
     .harmless = is_harmless},
    {.name = "expect",
     .doc = "substring or /regex/ that a message of the server must have in its first 64 KiB"},
    {.name = "subprotocol", .doc = "Sec-WebSocket-Protocol to ask for; the server must choose it"},
    {.name = "headers",
     .type = SettingType::table,
     .doc = "request headers: Authorization, Origin, Cookie",
     .secret = true},
}};

struct WebsocketSettings {
  Text url;
  std::optional<http::Target> target;  // as read while loading
  std::optional<Text> send;
  std::optional<Matcher> expect;
  std::string subprotocol;
  std::vector<std::pair<std::string, Text>> headers;
  http::SecretSink add_secret;
  Scrub scrub;
};

template <std::size_t size>
std::array<unsigned char, size> random_bytes() {
  std::array<unsigned char, size> bytes{};
  std::size_t done = 0;
  while (done < size) {
    const auto count = getrandom(bytes.data() + done, size - done, 0);
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  return bytes;
}

std::string frame(Opcode opcode, std::string_view payload) {
  return websocket::encode_frame(opcode, payload, random_bytes<4>());
}

/// What is read again for each attempt.
Result<websocket::Upgrade> read_live(const WebsocketSettings& settings) {
  const auto url = settings.url.read();
  if (!url) return url.error();
  auto target = http::parse_target(url.value(), http::websocket_schemes);
  if (!target) return Error{"url: " + target.error().message};
  http::hide_url_secrets(url.value(), settings.add_secret);

  websocket::Upgrade upgrade;
  upgrade.target = std::move(target).value();
  upgrade.subprotocol = settings.subprotocol;
  const auto nonce = random_bytes<websocket::nonce_bytes>();
  upgrade.key = http::base64({reinterpret_cast<const char*>(nonce.data()), nonce.size()});
  for (const auto& [name, text] : settings.headers) {
    const auto value = text.read();
    if (!value) return value.error();
    if (!http::is_header_value(value.value())) {
      return Error{"the value of header " + name + " has a line break"};
    }
    http::hide_header_parts(name, value.value(), settings.add_secret);
    upgrade.headers.emplace_back(name, value.value());
  }
  return upgrade;
}

/// One connection from the upgrade request to the goodbye.
class Conversation {
 public:
  Conversation(const net::Stream& stream, const WebsocketSettings& settings,
               const Deadline& deadline)
      : stream_(stream), settings_(settings), deadline_(deadline) {}

  ProbeResult run(const websocket::Upgrade& upgrade, const std::optional<std::string>& text,
                  PhaseTimes& phases) {
    auto begin = Clock::now();
    const auto refused = shake_hands(upgrade);
    phases.set(Phase::request, Clock::now() - begin);
    if (refused) return net::to_result(*refused);
    begin = Clock::now();
    auto result = ask(text);
    phases.set(Phase::transfer, Clock::now() - begin);
    if (result.outcome == Outcome::pass) say_goodbye();
    return result;
  }

 private:
  std::optional<net::Failure> shake_hands(const websocket::Upgrade& upgrade) {
    constexpr std::string_view head_end = "\r\n\r\n";
    if (auto failure = net::write_all(stream_, websocket::upgrade_request(upgrade), deadline_)) {
      return failure;
    }
    std::string head;
    std::size_t interim = 0;  // bytes of the heads before it
    std::size_t end = std::string::npos;
    while ((end = head.find(head_end)) == std::string::npos || websocket::is_interim(head)) {
      if (end != std::string::npos) {
        interim += end + head_end.size();
        head.erase(0, end + head_end.size());
        if (!websocket::may_be_http(head)) return not_http(head);
        continue;
      }
      if (interim + head.size() > head_max) {
        return net::Failure{Reason::too_large, "the header is longer than 16384 bytes"};
      }
      const auto bytes = read();
      if (!bytes) return bytes.error();
      if (bytes.value().empty()) return closed_in_head(head);
      head += bytes.value();
      if (!websocket::may_be_http(head)) return not_http(head);
    }
    // What comes behind the head are frames already.
    reader_.feed(std::string_view(head).substr(end + head_end.size()));
    head.resize(end + head_end.size());
    return websocket::refusal(head, upgrade, settings_.scrub);
  }

  static net::Failure closed_in_head(const std::string& head) {
    return {Reason::reset, head.empty()
                               ? "the server closed without an answer to the upgrade"
                               : "the server closed in the middle of its answer to the upgrade"};
  }

  [[nodiscard]] net::Failure not_http(const std::string& head) const {
    constexpr char tls_alert = 0x15;
    if (head.front() == tls_alert && !stream_.ssl) {
      return {Reason::protocol, "not an HTTP answer: the server speaks TLS; write wss://"};
    }
    return {Reason::protocol, "not an HTTP answer: " + shown(head, SecretSet::Ending::cut)};
  }

  /// Sends what there is to send, and waits for everything that has to come.
  ProbeResult ask(const std::optional<std::string>& text) {
    std::string question;
    if (text) question += frame(Opcode::text, *text);
    // Behind a message without `expect`, too: an answer to it proves that the message was read.
    awaits_pong_ = !(text && settings_.expect);
    if (awaits_pong_) {
      const auto nonce = random_bytes<8>();
      ping_.assign(nonce.begin(), nonce.end());
      question += frame(Opcode::ping, ping_);
    }
    awaits_message_ = settings_.expect.has_value();
    if (const auto failure = net::write_all(stream_, question, deadline_)) {
      return net::to_result(*failure);
    }
    return listen();
  }

  ProbeResult listen() {
    std::size_t received = 0;
    while (true) {
      while (auto message = reader_.next()) {
        if (auto end = take(*message)) return *std::move(end);
        if (!awaits_pong_ && !awaits_message_) return good();
      }
      if (reader_.failure()) return net::to_result(*reader_.failure());
      if (received > received_max) {
        return failed(Reason::too_large, "16 MiB came, but " + missing());
      }
      const auto bytes = read();
      if (!bytes) return broken_off(bytes.error());
      if (bytes.value().empty()) {
        return closed("the server closed without a close frame (1006)");
      }
      received += bytes.value().size();
      reader_.feed(bytes.value());
    }
  }

  /// The result when this message ends the conversation.
  std::optional<ProbeResult> take(const Message& message) {
    switch (message.opcode) {
      case Opcode::ping:
        if (const auto failure =
                net::write_all(stream_, frame(Opcode::pong, message.payload), deadline_)) {
          return net::to_result(*failure);
        }
        return std::nullopt;
      case Opcode::pong:
        if (message.payload == ping_) awaits_pong_ = false;
        return std::nullopt;
      case Opcode::close:
        return closed("the server closed with " + websocket::close_text(message.payload));
      case Opcode::text:
      case Opcode::binary:
        match(message);
        return std::nullopt;
      case Opcode::continuation:
        break;
    }
    VITALS_ASSERT(false);
    return std::nullopt;
  }

  void match(const Message& message) {
    if (!awaits_message_) return;
    last_match_ = settings_.expect->find_in(message.payload);
    if (last_match_ == Match::yes) {
      awaits_message_ = false;
      return;
    }
    last_heard_ =
        shown(message.payload, message.cut ? SecretSet::Ending::cut : SecretSet::Ending::whole);
  }

  ProbeResult good() const {
    if (settings_.expect) return passed("found " + settings_.expect->shown());
    return passed("101, ping answered");
  }

  /// A whole message that is not the expected one is an answer; nothing at all is silence.
  ProbeResult broken_off(const net::Failure& failure) const {
    if (failure.reason != Reason::timeout) return net::to_result(failure);
    const auto reason = answered_wrongly() ? Reason::assertion : Reason::timeout;
    return failed(reason, "upgraded, but " + missing() + " within the timeout" + heard());
  }

  ProbeResult closed(const std::string& how) const {
    if (answered_wrongly()) return failed(Reason::assertion, missing() + heard() + "; " + how);
    return failed(Reason::reset, how);
  }

  [[nodiscard]] bool answered_wrongly() const { return awaits_message_ && last_heard_; }
  [[nodiscard]] std::string missing() const {
    if (awaits_message_) return "no message with " + settings_.expect->shown();
    return "the ping was not answered";
  }
  [[nodiscard]] std::string heard() const {
    if (!answered_wrongly()) return {};
    return ", the last one was " + *last_heard_ + std::string(give_up_note(last_match_));
  }

  /// Enough to show, without what the server repeats of a secret: a cut piece would not be known.
  [[nodiscard]] std::string shown(std::string_view text, SecretSet::Ending ending) const {
    const bool whole = text.size() <= shown_max;
    const auto clean =
        settings_.scrub(text.substr(0, shown_max), whole ? ending : SecretSet::Ending::cut);
    return '"' + clean.substr(0, 80) + '"';
  }

  /// Some bytes; none when the server has closed.
  net::NetResult<std::string_view> read() {
    const auto count = net::read_some(stream_, block_, deadline_);
    if (!count) return count.error();
    return std::string_view(block_.data(), count.value());
  }

  /// A close frame, and its answer if it comes soon: else the server would log a broken connection.
  void say_goodbye() {
    const auto limit = deadline_.at_most(goodbye_wait);
    if (net::write_all(stream_, frame(Opcode::close, websocket::close_payload(normal_closure)),
                       limit)) {
      return;
    }
    while (!reader_.failure()) {
      while (const auto message = reader_.next()) {
        if (message->opcode == Opcode::close) return net::say_goodbye(stream_);
      }
      const auto count = net::read_some(stream_, block_, limit);
      if (!count || count.value() == 0) return;
      reader_.feed({block_.data(), count.value()});
    }
  }

  const net::Stream& stream_;
  const WebsocketSettings& settings_;
  const Deadline& deadline_;
  FrameReader reader_;
  std::array<char, 16'384> block_{};
  std::string ping_;
  bool awaits_pong_ = false;
  bool awaits_message_ = false;
  Match last_match_ = Match::no;
  std::optional<std::string> last_heard_;  // ready to be shown
};

class WebsocketProbe final : public Probe {
 public:
  WebsocketProbe(WebsocketSettings settings, tls::TlsSettings tls)
      : settings_(std::move(settings)), tls_(std::move(tls)) {}

  ProbeResult run(const Attempt& attempt) override {
    const auto upgrade = read_live(settings_);
    if (!upgrade) return internal_error(upgrade.error().message);
    std::optional<std::string> text;
    if (settings_.send) {
      auto read = settings_.send->read();
      if (!read) return internal_error("send: " + read.error().message);
      hide_sent(read.value(), settings_.add_secret);
      text = std::move(read).value();
    }
    PhaseTimes phases;
    auto result = ask(attempt, upgrade.value(), text, phases);
    result.phases = phases;
    return result;
  }

 private:
  ProbeResult ask(const Attempt& attempt, const websocket::Upgrade& upgrade,
                  const std::optional<std::string>& text, PhaseTimes& phases) {
    const auto& target = upgrade.target;
    tls::Client* const tls = target.tls() ? &tls_ : nullptr;
    const auto opened = net::open_stream(target.endpoint, tls, attempt.deadline, phases);
    if (!opened) return tls::to_result(opened.error(), tls);
    const auto& [stream, peer, session] = opened.value();
    auto result = Conversation(stream, settings_, attempt.deadline).run(upgrade, text, phases);
    if (session) tls::judge_certificate(result, *session, tls_.settings(), attempt.now.wall);
    return result;
  }

  WebsocketSettings settings_;
  tls::Client tls_;
};

void read_url(Settings& settings, WebsocketSettings& read) {
  read.url = settings.live_text("url");
  const auto url = settings.text("url");
  if (!settings.has("url")) return;  // a mistake that is already noted
  auto target = http::parse_target(url, http::websocket_schemes);
  if (!target) return settings.complain("url", target.error().message);
  http::hide_url_secrets(url, read.add_secret);
  read.target = std::move(target).value();
}

void read_headers(Settings& settings, WebsocketSettings& read) {
  read.headers = settings.table("headers");
  for (const auto& [name, text] : read.headers) {
    if (!http::is_token(name)) {
      settings.complain("headers", "'" + name + "' is no header name; letters, digits and '-'");
    } else if (const char* why = websocket::reserved_header(name)) {
      settings.complain("headers", name + " " + why);
    }
    const auto value = text.read();
    if (!value) continue;
    if (!http::is_header_value(value.value())) {
      settings.complain("headers", "the value of " + name + " has a line break in it");
    }
    http::hide_header_parts(name, value.value(), read.add_secret);
  }
  const bool authorized =
      std::any_of(read.headers.begin(), read.headers.end(),
                  [](const auto& each) { return http::same_name(each.first, "Authorization"); });
  if (authorized && read.target && read.target->has_user) {
    settings.complain("headers",
                      "only one of an Authorization header and user:password in the URL can be "
                      "sent; keep one");
  }
}

WebsocketSettings read_settings(Settings& settings) {
  WebsocketSettings read;
  read.add_secret = settings.secret_sink();
  read.scrub = settings.secret_scrubber();
  read_url(settings, read);
  read_headers(settings, read);
  if (settings.has("send")) {
    read.send = settings.live_text("send");
    // While the config loads, so that these are never dropped.
    if (const auto text = read.send->read()) hide_sent(text.value(), read.add_secret);
  }
  if (settings.has("expect")) {
    auto matcher = Matcher::parse(settings.text("expect"));
    if (matcher) {
      read.expect = std::move(matcher).value();
    } else {
      settings.complain("expect", matcher.error().message);
    }
  }
  read.subprotocol = settings.text("subprotocol");
  // Browsers can't set headers, so some servers take a token for a subprotocol.
  hide_parts(read.subprotocol, read.add_secret);
  if (settings.has("subprotocol") && !http::is_token(read.subprotocol)) {
    settings.complain("subprotocol", "one name without blanks and commas, such as \"graphql-ws\"");
  }
  return read;
}

MadeProbe make(Settings& settings) {
  auto own = read_settings(settings);
  auto tls = tls::read_settings(settings);
  MadeProbe made;
  if (!own.target) return made;
  made.target = own.target->label();
  made.on_loopback = own.target->endpoint.on_loopback();
  made.probe = std::make_unique<WebsocketProbe>(std::move(own), std::move(tls));
  return made;
}

}  // namespace

const KindSpec& websocket_kind() {
  static const auto settings = tls::join(own_settings, tls::setting_specs);
  static constexpr std::array<std::string_view, 3> schemes{"ws", "wss", "ws+unix"};
  static const KindSpec kind{
      .name = "websocket",
      .component_type = "component",
      .doc = "upgrades to a WebSocket and waits for a pong or the expected message",
      .settings = settings,
      .metrics = tls::metric_specs,
      .scope = ScopeRule::local_on_loopback,
      .impact = ImpactRule::critical_when_local,
      .schemes = schemes,
      .url_setting = "url",
      .make = &make,
  };
  return kind;
}

}  // namespace vitals
