// Kind dns: asks name servers one question of its own and looks at what they answer. Not the
// resolver of the other kinds: it reads no hosts file, tries no search domains, and shows records.
#include <poll.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <vitals/kind.hpp>

#include "probes/dns_message.hpp"
#include "probes/net.hpp"
#include "probes/regex.hpp"
#include "probes/stream.hpp"

namespace vitals {
namespace {

constexpr std::uint16_t dns_port = 53;
/// A server that answers at all answers within this; then the next one is asked, or the same again.
constexpr Duration patience_max{1'000};
/// Addresses of a server that is given by name.
constexpr std::size_t servers_max = 3;
/// Records of an answer inside a detail; the runner scrubs it and only then cuts to what is shown.
constexpr std::size_t shown_max = 1'024;

constexpr std::array<SettingSpec, 4> settings_specs{{
    {.name = "name", .doc = "the name to ask for, complete: no search domains", .required = true},
    {.name = "type",
     .type = SettingType::choice,
     .fallback = "A",
     .doc = "which records",
     .choices = "A|AAAA|CNAME|TXT|SRV|MX|NS"},
    {.name = "server",
     .doc = "host or host:port of the name server; unset: those of /etc/resolv.conf, in order"},
    {.name = "expect",
     .doc = "substring or /regex/ that a record must have: \"10.0.0.1\", \"10 mail.example.com\""},
}};

struct DnsSettings {
  dns::Question question;
  std::optional<net::Endpoint> server;
  std::optional<Matcher> expect;
};

std::uint16_t random_id() {
  std::uint16_t id = 0;
  while (getrandom(&id, sizeof(id), 0) != static_cast<ssize_t>(sizeof(id))) {
  }
  return id;
}

using Decoded = Result<dns::Answer, dns::NoAnswer>;

/// One question asked of all servers: in order, the next one when the one before is in trouble or
/// silent for its share of the time; late answers count.
class Inquiry {
 public:
  Inquiry(const dns::Question& question, const std::vector<net::Address>& servers,
          const Deadline& deadline)
      : question_(question), deadline_(deadline) {
    for (const auto& address : servers) servers_.push_back({address, {}, random_id(), {}});
    // Two rounds over all servers, the second with twice the patience, fit into the deadline.
    const auto share = deadline.remaining() / static_cast<int>(3 * servers_.size());
    patience_ = std::clamp(share, Elapsed(Duration(1)), Elapsed(patience_max));
  }

  net::NetResult<dns::Answer> run() {
    while (true) {
      if (deadline_.expired()) return in_vain();
      if (all_in_trouble()) return in_vain();
      if (Clock::now() >= next_send_) send();
      if (const auto failure = wait()) return *failure;
      for (auto& server : servers_) {
        if (auto answer = receive(server)) return *std::move(answer);
      }
    }
  }

 private:
  struct Server {
    net::Address address;
    Fd socket;
    std::uint16_t id = 0;
    std::optional<net::Failure> trouble;  // detail: "answered SERVFAIL"
  };

  [[nodiscard]] bool all_in_trouble() const {
    return std::all_of(servers_.begin(), servers_.end(),
                       [](const Server& server) { return server.trouble.has_value(); });
  }

  void send() {
    next_send_ = Clock::now() + patience_;
    auto& server = servers_[turn_];
    asked_ = turn_;
    if (++turn_ == servers_.size()) {
      turn_ = 0;
      patience_ *= 2;
    }
    if (server.trouble) return ask_next_now();
    if (!server.socket && !open(server)) return;
    const auto query = dns::encode_query(server.id, question_);
    if (::send(server.socket.get(), query.data(), query.size(), MSG_NOSIGNAL) < 0 &&
        errno != EAGAIN) {
      note(server, Reason::dns, net::from_errno(errno, "can't be reached").detail);
    }
  }

  void ask_next_now() { next_send_ = Clock::now(); }

  /// Connected, so that the kernel drops what others send; its random port is one more secret.
  bool open(Server& server) {
    server.socket =
        Fd(socket(server.address.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const auto* address = reinterpret_cast<const sockaddr*>(&server.address.storage);
    if (server.socket && connect(server.socket.get(), address, server.address.length) == 0) {
      return true;
    }
    note(server, Reason::dns, net::from_errno(errno, "can't be reached").detail);
    return false;
  }

  void note(Server& server, Reason reason, std::string deed) {
    server.trouble = net::Failure{reason, std::move(deed)};
    server.socket.reset();
    if (&server == &servers_[asked_]) ask_next_now();
  }

  std::optional<net::Failure> wait() {
    std::vector<pollfd> polled;
    for (const auto& server : servers_) polled.push_back({server.socket.get(), POLLIN, 0});
    polled.push_back({deadline_.interrupt_fd(), POLLIN, 0});
    const auto end = all_in_trouble() ? Clock::now() : std::min(deadline_.end(), next_send_);
    const auto left = std::max(Elapsed::zero(), Elapsed(end - Clock::now()));
    const timespec timeout{static_cast<std::time_t>(left.count() / 1'000'000'000),
                           static_cast<long>(left.count() % 1'000'000'000)};
    const int count = ppoll(polled.data(), polled.size(), &timeout, nullptr);
    if (count > 0 && polled.back().revents != 0) return net::interrupted();
    return std::nullopt;
  }

  /// What has arrived from that server; the answer when it is one that counts.
  std::optional<net::NetResult<dns::Answer>> receive(Server& server) {
    std::array<char, 4'096> block{};
    while (server.socket) {
      const auto count = recv(server.socket.get(), block.data(), block.size(), 0);
      if (count < 0) {
        if (errno == EAGAIN || errno == EINTR) return std::nullopt;
        note(server, Reason::dns, net::from_errno(errno, "can't be reached").detail);
        return std::nullopt;
      }
      const std::string_view message(block.data(), static_cast<std::size_t>(count));
      auto decoded = dns::decode_answer(message, server.id, question_);
      if (!decoded && decoded.error() == dns::NoAnswer::stranger) continue;
      if (decoded && decoded.value().truncated) {
        auto again = ask_by_tcp(server);
        if (again) return judge(server, std::move(again).value());
        note(server, again.error().reason, again.error().detail);
        return std::nullopt;
      }
      return judge(server, std::move(decoded));
    }
    return std::nullopt;
  }

  /// Nothing when it is that server's trouble and no statement about the name.
  std::optional<net::NetResult<dns::Answer>> judge(Server& server, Decoded decoded) {
    if (!decoded) {
      note(server, Reason::protocol, "sent an answer that can't be read");
      return std::nullopt;
    }
    const auto& answer = decoded.value();
    if (answer.rcode != dns::rcode_ok && answer.rcode != dns::rcode_nxdomain) {
      note(server, Reason::dns, "answered " + dns::rcode_text(answer.rcode));
      return std::nullopt;
    }
    return net::NetResult<dns::Answer>(answer);
  }

  /// RFC 7766: the same question, with its length before it.
  net::NetResult<Decoded> ask_by_tcp(const Server& server) {
    const auto deadline = tcp_deadline();
    auto connected = net::connect_any({&server.address, 1}, deadline);
    if (!connected) return by_tcp(connected.error());
    const net::Stream stream{std::move(connected.value().fd), nullptr};
    const auto query = dns::encode_query(server.id, question_);
    const std::string framed{static_cast<char>(query.size() >> 8U),
                             static_cast<char>(query.size() & 0xffU)};
    if (const auto failure = net::write_all(stream, framed + query, deadline)) {
      return by_tcp(*failure);
    }
    std::string heard;
    std::array<char, 4'096> block{};
    while (heard.size() < 2 || heard.size() < 2 + length_of(heard)) {
      const auto count = net::read_some(stream, block, deadline);
      if (!count) return by_tcp(count.error());
      if (count.value() == 0) return by_tcp({Reason::reset, "closed without an answer"});
      heard.append(block.data(), count.value());
    }
    auto decoded = dns::decode_answer(std::string_view(heard).substr(2, length_of(heard)),
                                      server.id, question_);
    // Nobody else speaks on this connection, and there is no longer form to ask for.
    if (!decoded || decoded.value().truncated) return Decoded(dns::NoAnswer::malformed);
    return decoded;
  }

  /// Leaves time for another server, if there is one that may still answer.
  [[nodiscard]] Deadline tcp_deadline() const {
    const auto healthy = std::count_if(servers_.begin(), servers_.end(),
                                       [](const Server& one) { return !one.trouble; });
    if (healthy < 2) return deadline_;
    return deadline_.at_most(Duration(deadline_.remaining_ms() / 2));
  }

  static net::Failure by_tcp(const net::Failure& failure) {
    return {Reason::dns, "truncated its answer, then failed over TCP: " + failure.detail};
  }

  static std::size_t length_of(const std::string& framed) {
    return static_cast<std::size_t>(static_cast<unsigned char>(framed[0])) << 8U |
           static_cast<unsigned char>(framed[1]);
  }

  /// "name server 10.0.0.1:53 answered SERVFAIL, 10.0.0.2:53 did not answer".
  [[nodiscard]] net::Failure in_vain() const {
    std::string text = "name server ";
    bool broken = true;
    for (const auto& server : servers_) {
      if (&server != &servers_.front()) text += ", ";
      text += server.address.text() + " " +
              (server.trouble ? server.trouble->detail : std::string("did not answer"));
      broken = broken && server.trouble && server.trouble->reason == Reason::protocol;
    }
    return {broken ? Reason::protocol : Reason::dns, std::move(text)};
  }

  const dns::Question& question_;
  const Deadline& deadline_;
  std::vector<Server> servers_;
  std::size_t turn_ = 0;   // the server to ask next
  std::size_t asked_ = 0;  // the server asked last
  TimePoint next_send_{};
  Elapsed patience_{};
};

class DnsProbe final : public Probe {
 public:
  explicit DnsProbe(DnsSettings settings) : settings_(std::move(settings)) {}

  ProbeResult run(const Attempt& attempt) override {
    PhaseTimes phases;
    auto result = ask(attempt.deadline, phases);
    result.phases = phases;
    return result;
  }

 private:
  ProbeResult ask(const Deadline& deadline, PhaseTimes& phases) const {
    auto begin = Clock::now();
    auto servers = find_servers(deadline);
    if (settings_.server) phases.set(Phase::resolve, Clock::now() - begin);
    if (!servers) return net::to_result(servers.error());
    begin = Clock::now();
    const auto answer = Inquiry(settings_.question, servers.value(), deadline).run();
    phases.set(Phase::request, Clock::now() - begin);
    return answer ? judge(answer.value()) : net::to_result(answer.error());
  }

  [[nodiscard]] net::NetResult<std::vector<net::Address>> find_servers(
      const Deadline& deadline) const {
    if (!settings_.server) return net::name_servers();
    auto found = net::resolve(*settings_.server, net::IpFamily::any, deadline);
    if (found && found.value().size() > servers_max) found.value().resize(servers_max);
    return found;
  }

  [[nodiscard]] ProbeResult judge(const dns::Answer& answer) const {
    const auto& [name, type] = settings_.question;
    if (answer.rcode == dns::rcode_nxdomain) {
      return failed(Reason::dns, "the name " + name + " does not exist (NXDOMAIN)");
    }
    if (answer.endless_alias) return failed(Reason::dns, "the CNAMEs of " + name + " do not end");
    if (answer.records.empty()) {
      const auto through = answer.alias.empty() ? "" : " (CNAME " + answer.alias + ")";
      return failed(Reason::dns, name + through + " has no " + std::string(dns::to_text(type)) +
                                     " record (NODATA)");
    }
    if (!settings_.expect) return passed(shown(answer));
    auto last = Match::no;
    for (const auto& record : answer.records) {
      last = settings_.expect->find_in(record);
      if (last == Match::yes) return passed(shown(answer));
    }
    return failed(Reason::assertion, "no record with " + settings_.expect->shown() + ", but " +
                                         shown(answer) + std::string(give_up_note(last)));
  }

  [[nodiscard]] std::string shown(const dns::Answer& answer) const {
    std::string text(dns::to_text(settings_.question.type));
    for (const auto& record : answer.records) {
      text += (&record == &answer.records.front() ? " " : ", ") + record;
      if (text.size() > shown_max) break;
    }
    return text.substr(0, shown_max);
  }

  DnsSettings settings_;
};

/// Whole URLs above all; they may hold passwords, and a name is shown wherever it is asked for. A
/// '/' stays: reverse zones of less than 256 addresses have one (RFC 2317).
bool is_no_name(std::string_view text) {
  return text.find_first_of(":@") != std::string_view::npos;
}

/// "10.0.0.1", "10.0.0.1:5353", "::1", "[::1]:53", "dns.example".
Result<net::Endpoint> parse_server(std::string_view text) {
  const bool bare_v6 = net::numeric_address(text, dns_port).has_value();
  const bool has_port = !bare_v6 && text.find(':') != std::string_view::npos;
  if (has_port) return net::parse_host_port(text);
  const auto host = bare_v6 && text.find(':') != std::string_view::npos
                        ? "[" + std::string(text) + "]"
                        : std::string(text);
  return net::parse_host_port(host + ":" + std::to_string(dns_port));
}

MadeProbe make(Settings& settings) {
  DnsSettings read;
  bool good = settings.has("name");  // its absence is a mistake that is already noted
  read.question.name = settings.text("name");
  if (good) {
    const auto wire = dns::encode_name(read.question.name);
    if (is_no_name(read.question.name)) {
      settings.complain("name",
                        "not a name to ask for: a ':' or '@' is in it; write the name alone, such "
                        "as \"db.example.com\"");
    } else if (!wire) {
      settings.complain("name", "not a name to ask for: " + wire.error().message);
    }
    good = wire.ok() && !is_no_name(read.question.name);
  }
  read.question.type = dns::type_of(settings.choice("type")).value();
  if (settings.has("server")) {
    auto server = parse_server(settings.text("server"));
    if (server) {
      read.server = std::move(server).value();
    } else {
      settings.complain("server", "not a name server: " + server.error().message);
      good = false;
    }
  }
  if (settings.has("expect")) {
    auto matcher = Matcher::parse(settings.text("expect"));
    if (matcher) {
      read.expect = std::move(matcher).value();
    } else {
      settings.complain("expect", matcher.error().message);
      good = false;
    }
  }
  if (!good) return {};
  MadeProbe made;
  made.target = read.server ? net::target_text("dns", *read.server) : "dns://resolv.conf";
  made.on_loopback = read.server && read.server->on_loopback();
  made.probe = std::make_unique<DnsProbe>(std::move(read));
  return made;
}

}  // namespace

const KindSpec& dns_kind() {
  static const KindSpec kind{
      .name = "dns",
      .component_type = "component",
      .doc = "asks a name server for records and looks for the expected one",
      .settings = settings_specs,
      .metrics = {},
      .scope = ScopeRule::shared,
      .impact = ImpactRule::degraded,
      .make = &make,
  };
  return kind;
}

}  // namespace vitals
