// Name resolution: numbers and localhost, the hosts file, then the name servers through c-ares.
//
// Every lookup reads the files and makes its channels anew (they change under a running agent: at
// resume, when the container's network comes up). c-ares builds and checks the packets, falls back
// to TCP and follows CNAMEs; which server is asked when is decided here, with one channel per
// server, so that time-outs fit the deadline and an error can say which server did what.
#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <sstream>
#include <utility>

#include <vitals/text.hpp>

#include "probes/libraries.hpp"
#include "probes/net.hpp"

namespace vitals::net {
namespace {

constexpr std::size_t file_bytes_max = 1 << 20;
constexpr std::size_t name_servers_max = 3;  // resolv.conf(5), MAXNS
constexpr std::size_t search_domains_max = 6;
constexpr int ndots_max = 15;
constexpr int addresses_max = 32;  // per family
constexpr std::uint16_t dns_port = 53;
/// A server that answers at all answers within this; then the next one is asked.
constexpr Duration server_wait_max{1'000};
/// RFC 8305 §3: how long IPv6 is waited for once IPv4 is known.
constexpr Duration wait_for_v6{50};
/// IPv4 would not be tried earlier than this behind IPv6 anyway (RFC 8305 §5).
constexpr Duration wait_for_v4{250};

constexpr std::size_t v6 = 0;
constexpr std::size_t v4 = 1;
using Families = std::array<bool, 2>;

// ---------------------------------------------------------------- files

/// Empty when there is none; both files may be missing.
std::string read_file(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string content;
  std::array<char, 4'096> block{};
  while (file && content.size() < file_bytes_max) {
    const auto count = ::read(file.get(), block.data(), block.size());
    if (count <= 0) break;
    content.append(block.data(), static_cast<std::size_t>(count));
  }
  return content;
}

/// The words of each line that has any, comments dropped.
std::vector<std::vector<std::string>> lines_of(const std::string& content,
                                               std::string_view comment_signs) {
  std::vector<std::vector<std::string>> lines;
  std::istringstream stream(content);
  for (std::string line; std::getline(stream, line);) {
    std::istringstream words(line.substr(0, line.find_first_of(comment_signs)));
    std::vector<std::string> list;
    for (std::string word; words >> word;) list.push_back(std::move(word));
    if (!list.empty()) lines.push_back(std::move(list));
  }
  return lines;
}

std::string without_final_dot(std::string name) {
  if (name.ends_with('.')) name.pop_back();
  return name;
}

/// "10.0.0.1", "fdaa::3", or with a port "[fdaa::3]:5353".
std::optional<Address> parse_server(std::string_view text) {
  if (const auto address = numeric_address(text, dns_port)) return address;
  const auto close = text.find("]:");
  if (!text.starts_with('[') || close == std::string_view::npos) return std::nullopt;
  std::uint16_t port = 0;
  const auto digits = text.substr(close + 2);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return numeric_address(text.substr(1, close - 1), port);
}

struct ResolverConfig {
  std::vector<Address> servers;
  bool servers_named = true;
  std::vector<std::string> search;
  int ndots = 1;
};

void read_options(ResolverConfig& config, const std::vector<std::string>& words) {
  constexpr std::string_view key = "ndots:";
  for (const auto& word : words) {
    if (!word.starts_with(key)) continue;
    int value = 1;
    std::from_chars(word.data() + key.size(), word.data() + word.size(), value);
    config.ndots = std::clamp(value, 0, ndots_max);
  }
}

/// resolv.conf(5). Time-outs and attempts in it do not count: the deadline rules.
ResolverConfig read_resolv_conf(const std::string& path) {
  ResolverConfig config;
  for (auto& words : lines_of(read_file(path), "#;")) {
    if (words[0] == "nameserver" && words.size() > 1) {
      const auto server = parse_server(words[1]);
      if (server && config.servers.size() < name_servers_max) config.servers.push_back(*server);
    } else if (words[0] == "search" || words[0] == "domain") {
      config.search.assign(words.begin() + 1, words.end());
      if (config.search.size() > search_domains_max) config.search.resize(search_domains_max);
    } else if (words[0] == "options") {
      read_options(config, words);
    }
  }
  if (config.servers.empty()) {
    config.servers_named = false;
    config.servers.push_back(*numeric_address("127.0.0.1", dns_port));
  }
  return config;
}

std::vector<Address> in_hosts_file(const std::string& path, const std::string& host,
                                   std::uint16_t port, Families wanted) {
  std::array<std::vector<Address>, 2> found;
  for (const auto& words : lines_of(read_file(path), "#")) {
    const bool named = std::any_of(words.begin() + 1, words.end(), [&](const std::string& name) {
      return without_final_dot(to_lower(name)) == host;
    });
    const auto address = named ? numeric_address(words[0], port) : std::nullopt;
    if (!address) continue;
    const auto family = address->family() == AF_INET6 ? v6 : v4;
    if (wanted[family] && found[family].size() < addresses_max) found[family].push_back(*address);
  }
  return interleaved(found[v6], found[v4]);
}

/// The names to ask for, in order (resolv.conf(5): search, ndots).
std::vector<std::string> candidates(const std::string& host, const ResolverConfig& config) {
  if (host.ends_with('.')) return {host};
  std::vector<std::string> names;
  for (const auto& domain : config.search) {
    const auto suffix = without_final_dot(domain);
    if (!suffix.empty()) names.push_back(host + "." + suffix);
  }
  const bool as_is_first = std::count(host.begin(), host.end(), '.') >= config.ndots;
  names.insert(as_is_first ? names.begin() : names.end(), host);
  return names;
}

// ---------------------------------------------------------------- one name

struct ChannelFree {
  void operator()(ares_channeldata* channel) const { ares_destroy(channel); }
};
using Channel = std::unique_ptr<ares_channeldata, ChannelFree>;

/// A channel that reads no file and no environment variable, knows this server alone, and never
/// times out by itself.
Channel make_channel(const Address& server, const Deadline& deadline) {
  ares_options options{};
  char lookups[] = "b";
  options.flags = ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH;
  options.timeout = deadline.remaining_ms() + 1'000;
  options.tries = 1;
  options.ndots = 1;
  options.lookups = lookups;
  ares_channel raw = nullptr;
  const int status = ares_init_options(&raw, &options,
                                       ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                                           ARES_OPT_NDOTS | ARES_OPT_LOOKUPS | ARES_OPT_SERVERS |
                                           ARES_OPT_DOMAINS | ARES_OPT_SORTLIST);
  if (status != ARES_SUCCESS) return nullptr;
  Channel channel(raw);

  ares_addr_port_node node{};
  node.family = server.family();
  if (node.family == AF_INET) {
    const auto& address = reinterpret_cast<const sockaddr_in&>(server.storage);
    node.addr.addr4 = address.sin_addr;
    node.udp_port = node.tcp_port = ntohs(address.sin_port);
  } else {
    const auto& address = reinterpret_cast<const sockaddr_in6&>(server.storage);
    std::memcpy(&node.addr.addr6, &address.sin6_addr, sizeof(node.addr.addr6));
    node.udp_port = node.tcp_port = ntohs(address.sin6_port);
  }
  if (ares_set_servers_ports(channel.get(), &node) != ARES_SUCCESS) return nullptr;
  return channel;
}

std::vector<Address> parse_answer(std::size_t family, std::span<unsigned char> answer,
                                  std::uint16_t port, int& status) {
  std::vector<Address> addresses;
  int count = addresses_max;
  const int length = static_cast<int>(answer.size());
  const auto add = [&](int af, const auto& bytes) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(af, &bytes, text.data(), text.size());
    addresses.push_back(*numeric_address(text.data(), port));
  };
  if (family == v6) {
    std::array<ares_addr6ttl, addresses_max> records{};
    status = ares_parse_aaaa_reply(answer.data(), length, nullptr, records.data(), &count);
    for (int i = 0; status == ARES_SUCCESS && i < count; ++i) {
      add(AF_INET6, records[static_cast<std::size_t>(i)].ip6addr);
    }
  } else {
    std::array<ares_addrttl, addresses_max> records{};
    status = ares_parse_a_reply(answer.data(), length, nullptr, records.data(), &count);
    for (int i = 0; status == ARES_SUCCESS && i < count; ++i) {
      add(AF_INET, records[static_cast<std::size_t>(i)].ipaddr);
    }
  }
  if (status == ARES_SUCCESS && addresses.empty()) status = ARES_ENODATA;
  return addresses;
}

/// A statement about the name, as opposed to a server's trouble.
bool is_final(int status) {
  return status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND ||
         status == ARES_EBADNAME;
}

enum class LookupEnd { answered, silence, interrupted };

/// One name asked of all servers, A and AAAA in parallel. Servers are asked in order, the next one
/// when the one before is in trouble or silent for its share of the time; late answers count.
class Lookup {
 public:
  struct Family {
    bool wanted = false;
    std::optional<int> status;  // final, or the last server's trouble when all have it
    std::vector<Address> addresses;
  };

  Lookup(std::string name, std::uint16_t port, const std::vector<Address>& servers, Families wanted,
         const Deadline& deadline)
      : name_(std::move(name)), port_(port), deadline_(deadline) {
    for (std::size_t f = 0; f < 2; ++f) families_[f].wanted = wanted[f];
    for (const auto& server : servers) {
      servers_.push_back({server, make_channel(server, deadline), {}, {}});
    }
    // Two rounds over all servers, the second with twice the patience, fit into the deadline.
    const auto share = deadline.remaining() / static_cast<int>(3 * servers_.size());
    patience_ = std::clamp(share, Elapsed(Duration(1)), Elapsed(server_wait_max));
    for (std::size_t s = 0; s < servers_.size(); ++s) {
      for (std::size_t f = 0; f < 2; ++f) servers_[s].asks[f] = Ask{this, s, f};
    }
  }
  // The callbacks of c-ares hold pointers into this object; destroying a channel calls them.
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
  ~Lookup() {
    for (auto& server : servers_) server.channel.reset();
  }

  LookupEnd run() {
    while (!finished()) {
      if (Clock::now() >= next_send_) send();
      if (finished()) break;
      const auto end = wait();
      if (end != LookupEnd::answered) return end;
    }
    return LookupEnd::answered;
  }

  [[nodiscard]] const Family& family(std::size_t f) const { return families_[f]; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// What a server failed with; 0 when it has only been silent.
  [[nodiscard]] int trouble(std::size_t server) const {
    const auto& by_family = servers_[server].trouble;
    return by_family[v6] != 0 ? by_family[v6] : by_family[v4];
  }
  [[nodiscard]] std::vector<Address> addresses() const {
    return interleaved(families_[v6].addresses, families_[v4].addresses);
  }

 private:
  struct Ask {
    Lookup* lookup = nullptr;
    std::size_t server = 0;
    std::size_t family = 0;
  };
  struct Server {
    Address address;
    Channel channel;
    std::array<int, 2> trouble{};  // by family: its last status, 0 when none
    std::array<Ask, 2> asks{};
  };

  [[nodiscard]] bool open(std::size_t f) const {
    return families_[f].wanted && !families_[f].status;
  }

  /// All is known, or one family is and the other has had its chance.
  [[nodiscard]] bool finished() const {
    if (!open(v6) && !open(v4)) return true;
    return enough_at_ && Clock::now() >= *enough_at_;
  }

  void send() {
    next_send_ = Clock::now() + patience_;
    auto& server = servers_[turn_];
    asked_ = turn_;
    if (++turn_ == servers_.size()) {
      turn_ = 0;
      patience_ *= 2;
    }
    for (std::size_t f = 0; f < 2; ++f) {
      if (!open(f) || server.trouble[f] != 0) continue;
      if (server.channel == nullptr) {
        note(server.asks[f], ARES_ENOMEM, {});
        continue;
      }
      ares_query(server.channel.get(), name_.c_str(), ns_c_in, f == v6 ? ns_t_aaaa : ns_t_a,
                 &Lookup::on_answer, &server.asks[f]);
    }
    move_on_when_useless();
  }

  /// Does not wait for a server that has nothing more to say.
  void move_on_when_useless() {
    const auto& server = servers_[asked_];
    const bool useful =
        (open(v6) && server.trouble[v6] == 0) || (open(v4) && server.trouble[v4] == 0);
    if (!useful) next_send_ = Clock::now();
  }

  static void on_answer(void* argument, int status, int, unsigned char* answer, int length) {
    const auto& ask = *static_cast<Ask*>(argument);
    if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) return;
    ask.lookup->note(ask, status, {answer, static_cast<std::size_t>(std::max(0, length))});
  }

  void note(const Ask& ask, int status, std::span<unsigned char> answer) {
    auto& family = families_[ask.family];
    if (!open(ask.family)) return;
    std::vector<Address> addresses;
    if (status == ARES_SUCCESS) addresses = parse_answer(ask.family, answer, port_, status);
    if (is_final(status)) {
      family.status = status;
      family.addresses = std::move(addresses);
      const auto patience = ask.family == v4 ? wait_for_v6 : wait_for_v4;
      if (!family.addresses.empty()) enough_at_ = Clock::now() + patience;
      return;
    }
    // The socket reports a refusal once, to one of the two questions; it holds for both.
    const bool for_both = status == ARES_ECONNREFUSED;
    for (std::size_t f = 0; f < 2; ++f) {
      if (f == ask.family || for_both) note_trouble(ask.server, f, status);
    }
    if (ask.server == asked_) move_on_when_useless();
  }

  void note_trouble(std::size_t server, std::size_t f, int status) {
    servers_[server].trouble[f] = status;
    const bool all = std::all_of(servers_.begin(), servers_.end(),
                                 [&](const Server& one) { return one.trouble[f] != 0; });
    if (all && open(f)) families_[f].status = status;
  }

  LookupEnd wait() {
    std::vector<pollfd> polled;
    std::vector<ares_channeldata*> owners;
    for (auto& server : servers_) {
      if (!server.channel) continue;
      std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
      const int bits = ares_getsock(server.channel.get(), sockets.data(), ARES_GETSOCK_MAXNUM);
      for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
        short events = 0;
        if (ARES_GETSOCK_READABLE(bits, i)) events |= POLLIN;
        if (ARES_GETSOCK_WRITABLE(bits, i)) events |= POLLOUT;
        if (events == 0) continue;
        polled.push_back({sockets[static_cast<std::size_t>(i)], events, 0});
        owners.push_back(server.channel.get());
      }
    }
    polled.push_back({deadline_.interrupt_fd(), POLLIN, 0});

    const timespec timeout = time_to_wait();
    if (ppoll(polled.data(), polled.size(), &timeout, nullptr) < 0) return LookupEnd::answered;
    if (polled.back().revents != 0) return LookupEnd::interrupted;
    for (std::size_t i = 0; i < owners.size(); ++i) {
      const short events = polled[i].revents;
      const bool writable = (events & POLLOUT) != 0;
      const bool readable = (events & ~POLLOUT) != 0;
      ares_process_fd(owners[i], readable ? polled[i].fd : ARES_SOCKET_BAD,
                      writable ? polled[i].fd : ARES_SOCKET_BAD);
    }
    return deadline_.expired() && !finished() ? LookupEnd::silence : LookupEnd::answered;
  }

  [[nodiscard]] timespec time_to_wait() const {
    TimePoint end = std::min(deadline_.end(), next_send_);
    if (enough_at_) end = std::min(end, *enough_at_);
    const auto left = std::max(Elapsed::zero(), Elapsed(end - Clock::now()));
    return {static_cast<std::time_t>(left.count() / 1'000'000'000),
            static_cast<long>(left.count() % 1'000'000'000)};
  }

  std::string name_;
  std::uint16_t port_;
  const Deadline& deadline_;
  std::vector<Server> servers_;
  std::array<Family, 2> families_;
  std::size_t turn_ = 0;   // the server to ask next
  std::size_t asked_ = 0;  // the server asked last
  TimePoint next_send_{};
  Elapsed patience_{};
  std::optional<TimePoint> enough_at_;
};

// ---------------------------------------------------------------- words

std::string name_of(const Address& server) {
  const auto plain = numeric_address(server.host_text(), dns_port);
  return plain && plain->text() == server.text() ? server.host_text() : server.text();
}

std::string_view deed_of(int trouble) {
  switch (trouble) {
    case 0:
      return "did not answer";
    case ARES_ESERVFAIL:
      return "answered SERVFAIL";
    case ARES_EREFUSED:
      return "refused to answer";
    case ARES_ECONNREFUSED:
      return "can't be reached";
    default:
      return "gave no usable answer";
  }
}

/// "name server 10.0.0.1 answered SERVFAIL, 10.0.0.2 did not answer", for `name`.
std::string servers_at_fault(const Lookup& lookup, const ResolverConfig& config) {
  std::string text;
  for (std::size_t s = 0; s < config.servers.size(); ++s) {
    text += s == 0 ? "name server " : ", ";
    text += name_of(config.servers[s]) + " " + std::string(deed_of(lookup.trouble(s)));
  }
  text += " (asked for " + lookup.name() + ")";
  return config.servers_named ? text : text + "; resolv.conf names no server";
}

std::string_view record_names(Families wanted) {
  if (!wanted[v4]) return "AAAA record";
  return wanted[v6] ? "A or AAAA record" : "A record";
}

std::string explain(const Lookup& lookup, int status, const ResolverConfig& config,
                    Families wanted) {
  const auto& name = lookup.name();
  if (status == ARES_ENOTFOUND) return "the name " + name + " does not exist (NXDOMAIN)";
  if (status == ARES_EBADNAME) return "'" + name + "' is no name that can be looked up";
  if (status != ARES_ENODATA) return servers_at_fault(lookup, config);
  const auto text = name + " has no " + std::string(record_names(wanted));
  const bool internal = without_final_dot(to_lower(name)).ends_with(".internal");
  return internal ? text + ": no started Machine has that name" : text;
}

/// Trouble of a server says more than what the other family's answer was; a name without such
/// records exists, so that says more than NXDOMAIN.
int verdict_of(const Lookup& lookup) {
  const auto weight = [](int status) {
    if (status == ARES_ENOTFOUND) return 0;
    return status == ARES_ENODATA ? 1 : 2;
  };
  std::optional<int> chosen;
  for (const auto f : {v6, v4}) {
    const auto& status = lookup.family(f).status;
    if (status && (!chosen || weight(*status) > weight(*chosen))) chosen = status;
  }
  VITALS_ASSERT(chosen.has_value());
  return *chosen;
}

NetResult<std::vector<Address>> ask_servers(const std::string& host, std::uint16_t port,
                                            Families wanted, const Deadline& deadline,
                                            const ResolverConfig& config) {
  std::optional<Failure> failure;
  for (const auto& name : candidates(host, config)) {
    Lookup lookup(name, port, config.servers, wanted, deadline);
    const auto end = lookup.run();
    if (end == LookupEnd::interrupted) return interrupted();
    if (auto addresses = lookup.addresses(); !addresses.empty()) return addresses;
    if (end == LookupEnd::silence) {
      return Failure{Reason::dns, servers_at_fault(lookup, config)};
    }
    const int status = verdict_of(lookup);
    // What is said of the name as the user wrote it counts, not of a search domain's guess.
    if (!failure || name == host) {
      failure = Failure{Reason::dns, explain(lookup, status, config, wanted)};
    }
  }
  return *failure;
}

std::vector<Address> loopback_addresses(std::uint16_t port, Families wanted) {
  std::vector<Address> addresses;
  if (wanted[v6]) addresses.push_back(*numeric_address("::1", port));
  if (wanted[v4]) addresses.push_back(*numeric_address("127.0.0.1", port));
  return addresses;
}

}  // namespace

std::vector<Address> name_servers(const ResolverFiles& files) {
  return read_resolv_conf(files.resolv_conf).servers;
}

NetResult<std::vector<Address>> resolve(const Endpoint& endpoint, IpFamily family,
                                        const Deadline& deadline, const ResolverFiles& files) {
  const Families wanted{family != IpFamily::v4, family != IpFamily::v6};
  if (const auto address = numeric_address(endpoint.host, endpoint.port)) {
    if (wanted[address->family() == AF_INET6 ? v6 : v4]) return std::vector<Address>{*address};
    return Failure{Reason::dns, address->host_text() + " is not of the wanted family (setting ip)"};
  }
  if (endpoint.host.empty()) return Failure{Reason::dns, "no host name to look up"};
  if (is_localhost(endpoint.host)) return loopback_addresses(endpoint.port, wanted);

  // Not the name's fault: what came before (a redirect's first hop) has used up the time.
  if (deadline.expired())
    return Failure{Reason::timeout, "no time left to look up " + endpoint.host};
  const auto plain = without_final_dot(to_lower(endpoint.host));
  auto known = in_hosts_file(files.hosts, plain, endpoint.port, wanted);
  if (!known.empty()) return known;
  return ask_servers(endpoint.host, endpoint.port, wanted, deadline,
                     read_resolv_conf(files.resolv_conf));
}

}  // namespace vitals::net

namespace vitals {

void initialise_resolver() {
  const int status = ares_library_init(ARES_LIB_INIT_ALL);
  VITALS_ASSERT(status == ARES_SUCCESS);
}

}  // namespace vitals
