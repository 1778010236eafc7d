// The fault matrix: what each kind says of each fault, written down by hand from the contract (§7),
// played by servers that misbehave so, and quoted in the README. Reason, deadline, and nothing left
// behind: swap two reasons in a probe, and this turns red.
#include <doctest/doctest.h>
#include <malloc.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/certificates.hpp"
#include "tests/support/check_fixture.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/name_server.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/process.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/resolver_jail.hpp"
#include "tests/support/resources.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/sockets.hpp"
#include "tests/support/timing.hpp"
#include "tests/support/websocket_peer.hpp"

// Every allocation of this program goes through here, so that what is held is counted to the byte,
// for all threads and for each: the arenas of the heap have no part in the number. glibc's manual
// ("Replacing malloc") allows it; sanitizers have a heap of their own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
namespace {
constexpr bool heap_is_counted = false;
long held_by_this_thread() { return 0; }
long held_by_all_threads() { return 0; }
}  // namespace
#else
namespace {
constexpr bool heap_is_counted = true;
thread_local long held_here = 0;
std::atomic<long> held_everywhere{0};
long held_by_this_thread() { return held_here; }
long held_by_all_threads() { return held_everywhere; }

void count(long bytes) {
  held_here += bytes;
  held_everywhere.fetch_add(bytes, std::memory_order_relaxed);
}
long size_of(void* block) { return static_cast<long>(malloc_usable_size(block)); }
void* taken(void* block) {
  count(size_of(block));
  return block;
}
}  // namespace

extern "C" {
void* __libc_malloc(std::size_t size) noexcept;
void* __libc_calloc(std::size_t count, std::size_t size) noexcept;
void* __libc_realloc(void* block, std::size_t size) noexcept;
void* __libc_memalign(std::size_t alignment, std::size_t size) noexcept;
void __libc_free(void* block) noexcept;

void* malloc(std::size_t size) noexcept { return taken(__libc_malloc(size)); }
void* calloc(std::size_t count, std::size_t size) noexcept {
  return taken(__libc_calloc(count, size));
}
void* realloc(void* block, std::size_t size) noexcept {
  const long before = size_of(block);
  void* const moved = __libc_realloc(block, size);
  if (moved != nullptr || size == 0) count(-before);
  return taken(moved);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  return taken(__libc_memalign(alignment, size));
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return memalign(alignment, size);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) noexcept {
  *block = memalign(alignment, size);
  return *block == nullptr ? ENOMEM : 0;
}
void free(void* block) noexcept {
  count(-size_of(block));
  __libc_free(block);
}
}
#endif

namespace vitals {
namespace {

using test::Authority;
using test::Certificate;
using test::DnsQuestion;
using test::DnsReply;
using test::NameServer;
using test::ScriptedConnection;
using test::ScriptedServer;
using Script = ScriptedServer::Script;

// ---------------------------------------------------------------- what the contract says

/// One row a fault, one column a kind. "–": the fault does not exist for the kind.
constexpr std::string_view expectations = R"(
| fault | http | https | tcp | tcp, tls | tls | postgres | postgres, tls | redis | rediss | websocket | wss | dns |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
| none | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass |
| nobody listens | refused | refused | refused | refused | refused | refused | refused | refused | refused | refused | refused | dns |
| no way to the address | unreachable | unreachable | unreachable | unreachable | unreachable | unreachable | unreachable | unreachable | unreachable | unreachable | unreachable | dns |
| packets vanish | connect_timeout | connect_timeout | connect_timeout | connect_timeout | connect_timeout | connect_timeout | connect_timeout | connect_timeout | connect_timeout | connect_timeout | connect_timeout | dns |
| silent when connected | timeout | timeout | timeout | timeout | timeout | timeout | timeout | timeout | timeout | timeout | timeout | – |
| silent after the TLS hello | – | timeout | – | timeout | timeout | – | timeout | – | timeout | – | timeout | – |
| silent after the question | timeout | timeout | timeout | timeout | – | timeout | timeout | timeout | timeout | timeout | timeout | dns |
| silent after login or upgrade | – | – | – | – | – | timeout | timeout | – | – | timeout | timeout | – |
| reset when connected | reset | reset | reset | reset | reset | reset | reset | reset | reset | reset | reset | – |
| reset in the TLS handshake | – | reset | – | reset | reset | – | reset | – | reset | – | reset | – |
| reset after the question | reset | reset | reset | reset | – | reset | reset | reset | reset | reset | reset | – |
| closed after the question | reset | reset | reset | reset | – | reset | reset | reset | reset | reset | reset | – |
| a byte now and then | timeout | timeout | timeout | timeout | – | timeout | timeout | timeout | timeout | timeout | timeout | – |
| an answer without end | too_large | too_large | assertion | assertion | – | too_large | too_large | too_large | too_large | too_large | too_large | – |
| speaks something else | protocol | tls | timeout | tls | tls | protocol | protocol | protocol | tls | protocol | tls | protocol |
| certificate expired | – | tls_expired | – | tls_expired | tls_expired | – | tls_expired | – | tls_expired | – | tls_expired | – |
| certificate not yet valid | – | tls_expired | – | tls_expired | tls_expired | – | tls_expired | – | tls_expired | – | tls_expired | – |
| certificate of another host | – | tls_verify | – | tls_verify | tls_verify | – | tls_verify | – | tls_verify | – | tls_verify | – |
| certificate self-signed | – | tls_verify | – | tls_verify | tls_verify | – | tls_verify | – | tls_verify | – | tls_verify | – |
| certificate of an unknown root | – | tls_verify | – | tls_verify | tls_verify | – | tls_verify | – | tls_verify | – | tls_verify | – |
| name: NXDOMAIN | dns | dns | dns | dns | dns | dns | dns | dns | dns | dns | dns | dns |
| name: SERVFAIL | dns | dns | dns | dns | dns | dns | dns | dns | dns | dns | dns | dns |
| name: the server is silent | dns | dns | dns | dns | dns | dns | dns | dns | dns | dns | dns | dns |
| name: only AAAA | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass | dns |
| name: only A | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass |
| name: the first address is dead | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass | – |
| the clock steps | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass | pass |
)";

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream(line.substr(1));
  for (std::string cell; std::getline(stream, cell, '|');) {
    const auto begin = cell.find_first_not_of(' ');
    if (begin == std::string::npos) continue;
    cells.push_back(cell.substr(begin, cell.find_last_not_of(' ') + 1 - begin));
  }
  return cells;
}

/// The rows below the header: [0] is the fault.
std::vector<std::vector<std::string>> expected_rows() {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines{std::string(expectations.substr(1))};
  for (std::string line; std::getline(lines, line);) rows.push_back(cells_of(line));
  rows.erase(rows.begin(), rows.begin() + 2);
  return rows;
}

// ---------------------------------------------------------------- kinds

enum class Protocol { http, tcp, tls, postgres, redis, websocket, dns };

struct Column {
  const char* name;
  Protocol protocol;
  bool tls;
};
constexpr std::array<Column, 12> columns{{
    {"http", Protocol::http, false},
    {"https", Protocol::http, true},
    {"tcp", Protocol::tcp, false},
    {"tcp, tls", Protocol::tcp, true},
    {"tls", Protocol::tls, true},
    {"postgres", Protocol::postgres, false},
    {"postgres, tls", Protocol::postgres, true},
    {"redis", Protocol::redis, false},
    {"rediss", Protocol::redis, true},
    {"websocket", Protocol::websocket, false},
    {"wss", Protocol::websocket, true},
    {"dns", Protocol::dns, false},
}};

std::string check_text(const Column& column, const std::string& host, std::uint16_t port,
                       const std::string& ca_file) {
  const std::string place = host + ":" + std::to_string(port);
  const auto lines = [](const std::string& kind, const std::string& key, const std::string& value) {
    return "kind = \"" + kind + "\"\n" + key + " = \"" + value + "\"\n";
  };
  const std::string trust = column.tls ? "ca_file = \"" + ca_file + "\"\n" : "";
  const std::string s = column.tls ? "s" : "";
  switch (column.protocol) {
    case Protocol::http:
      return lines("http", "url", "http" + s + "://" + place + "/") + trust;
    case Protocol::tcp:
      return lines("tcp", "address", place) + "send = \"PING\\r\\n\"\nexpect = \"PONG\"\n" +
             (column.tls ? "tls = true\n" : "") + trust;
    case Protocol::tls:
      return lines("tls", "address", place) + trust;
    case Protocol::postgres:
      return lines(
          "postgres", "url",
          std::string("postgres://") + test::app_user + ":" + test::app_password + "@" + place +
              "/" + test::app_user +
              (column.tls ? "?sslmode=verify-full&sslrootcert=" + ca_file : "?sslmode=disable"));
    case Protocol::redis:
      return lines("redis", "url", "redis" + s + "://" + place) + trust;
    case Protocol::websocket:
      return lines("websocket", "url", "ws" + s + "://" + place + "/") + trust;
    case Protocol::dns:
      return lines("dns", "server", place) + "name = \"app.example\"\n";
  }
  return {};
}

// ---------------------------------------------------------------- misdeeds

constexpr std::chrono::milliseconds drip_pause{20};

/// As far as the question can be heard; false at the end.
bool listens(const Column& column, ScriptedConnection& connection) {
  if (!column.tls) return true;
  if (column.protocol == Protocol::postgres) {
    connection.read_some();  // SSLRequest
    connection.send("S");
  }
  return connection.handshake();
}

Script then(const Column& column, std::function<void(ScriptedConnection&)> deed) {
  return [&column, deed = std::move(deed)](ScriptedConnection& connection) {
    if (listens(column, connection)) deed(connection);
  };
}

Script after_question(const Column& column, std::function<void(ScriptedConnection&)> deed) {
  return then(column, [deed = std::move(deed)](ScriptedConnection& connection) {
    if (connection.read_some()) deed(connection);
  });
}

/// In the middle of the TLS handshake.
Script after_hello(const Column& column, std::function<void(ScriptedConnection&)> deed) {
  return [&column, deed = std::move(deed)](ScriptedConnection& connection) {
    if (column.protocol == Protocol::postgres) {
      connection.read_some();
      connection.send("S");
    }
    if (connection.read_some()) deed(connection);
  };
}

std::string postgres_message(char type, const std::string& body) {
  const auto length = static_cast<unsigned>(body.size() + 4);
  return std::string{type, 0, 0, static_cast<char>(length >> 8U), static_cast<char>(length)} + body;
}

const std::string postgres_welcome =
    postgres_message('R', std::string(4, '\0')) + postgres_message('Z', "I");

void hang(ScriptedConnection& connection) { connection.hang(); }
void reset(ScriptedConnection& connection) { connection.reset(); }

/// What an answer of that protocol begins with, and what may be repeated behind it for ever.
struct Endless {
  std::string begin;
  std::string again;
};
Endless endless_of(Protocol protocol) {
  const std::string much(1'000, 'x');
  switch (protocol) {
    case Protocol::http:
      return {"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", much};
    case Protocol::postgres:
      return {postgres_welcome, postgres_message('N', std::string("SNOTICE\0Mhello\0", 15) + '\0')};
    case Protocol::redis:
      return {"$1000000000\r\n", much};
    case Protocol::tcp:
    case Protocol::tls:
    case Protocol::websocket:
    case Protocol::dns:
      break;
  }
  return {"", much};
}

Script drip(const Column& column) {
  const auto begin = column.protocol == Protocol::postgres ? std::string{'E', 0, 0, 3, '\xe8'}
                     : column.protocol == Protocol::redis  ? std::string("+")
                     : column.protocol == Protocol::http   ? std::string("HTTP/1.1 200 OK\r\nX: ")
                     : column.protocol == Protocol::websocket ? std::string("HTTP/1.1 101 ")
                                                              : std::string();
  return after_question(column, [begin](ScriptedConnection& connection) {
    connection.send(begin);
    connection.drip(std::string(2'000, 'x'), drip_pause);
  });
}

Script endless(const Column& column) {
  if (column.protocol == Protocol::websocket) {
    return then(column, [](ScriptedConnection& connection) {
      test::WebsocketPeer peer(connection);
      if (!peer.upgrade()) return;
      connection.send_endlessly(test::server_frame(test::ws_text, std::string(50'000, 'x')));
    });
  }
  return after_question(column, [what = endless_of(column.protocol)](ScriptedConnection& one) {
    one.send(what.begin);
    one.send_endlessly(what.again);
  });
}

Script silent_after_login(const Column& column) {
  return then(column, [&column](ScriptedConnection& connection) {
    if (column.protocol == Protocol::websocket) {
      test::WebsocketPeer(connection).upgrade();
    } else {
      connection.read_some();
      connection.send(postgres_welcome);
    }
    connection.hang();
  });
}

// ---------------------------------------------------------------- good servers

Authority& authority() {
  static Authority the_one;
  return the_one;
}

const std::vector<std::string> names{"DNS:localhost",      "DNS:nx.example", "DNS:servfail.example",
                                     "DNS:silent.example", "DNS:v6.example", "DNS:v4.example",
                                     "DNS:dead.example",   "IP:127.0.0.1",   "IP:255.255.255.255"};

const Certificate& good_certificate() {
  static const Certificate files = authority().issue({.names = names});
  return files;
}

ScriptedServer::Options with(const Certificate& files) {
  ScriptedServer::Options options;
  options.certificate = files.certificate;
  options.key = files.key;
  return options;
}

std::unique_ptr<ScriptedServer> serve(Script script,
                                      const Certificate& files = good_certificate()) {
  return std::make_unique<ScriptedServer>(std::move(script), with(files));
}

test::PostgresServer& postgres() {
  static const test::TempDir folder;
  static const auto copy = [](const std::filesystem::path& from, const char* name) {
    const auto to = folder.path() / name;
    std::filesystem::copy_file(from, to);
    std::filesystem::permissions(to, std::filesystem::perms::owner_read);
    test::give_to_server(to);
    return to.string();
  };
  static test::PostgresServer server(
      {.settings = {{"ssl", "on"},
                    {"ssl_cert_file", copy(good_certificate().certificate, "server.pem")},
                    {"ssl_key_file", copy(good_certificate().key, "server.key")}}});
  return server;
}

test::RedisServer& redis(bool tls) {
  static test::RedisServer plain;
  static test::RedisServer encrypted({.certificate = good_certificate()});
  return tls ? encrypted : plain;
}

/// A real server is behind a tunnel, so that all can have an address more, or one alone.
std::uint16_t real_port(const Column& column) {
  return column.protocol == Protocol::postgres ? postgres().port() : redis(column.tls).port();
}

Script good(const Column& column) {
  switch (column.protocol) {
    case Protocol::http:
      return then(column, [](ScriptedConnection& connection) {
        if (!connection.read_request().empty()) connection.send(test::http_answer("200 OK", "ok"));
      });
    case Protocol::tcp:
      return after_question(column, [](ScriptedConnection& connection) {
        connection.send("PONG\r\n");
        connection.hang();
      });
    case Protocol::tls:
      return then(column, hang);
    case Protocol::postgres:
    case Protocol::redis:
      return [port = real_port(column)](ScriptedConnection& one) { one.tunnel(port); };
    case Protocol::websocket:
      return test::websocket_echo(column.tls);
    case Protocol::dns:
      break;
  }
  return hang;
}

DnsReply answer_for(const DnsQuestion& question) {
  const auto either = [&](const char* v4, const char* v6) {
    DnsReply reply;
    const char* address = question.v6 ? v6 : v4;
    if (address != nullptr) reply.addresses = {address};
    return reply;
  };
  if (question.name == "nx.example") return {.kind = DnsReply::Kind::nxdomain};
  if (question.name == "servfail.example") return {.kind = DnsReply::Kind::servfail};
  if (question.name == "silent.example") return {.kind = DnsReply::Kind::silence};
  if (question.name == "garbage.example") return {.kind = DnsReply::Kind::garbage};
  if (question.name == "v6.example") return either(nullptr, "::1");
  if (question.name == "dead.example") return either("127.0.0.1", "::1");
  return either("127.0.0.1", nullptr);
}

NameServer& name_server() {
  static NameServer the_one(answer_for);
  return the_one;
}

// ---------------------------------------------------------------- one cell

/// A check and everything it meets.
struct Cell {
  std::string fault;
  const Column* column = nullptr;
  std::string expected;
  std::optional<ConfiguredCheck> check;
  bool in_jail = false;
  bool clock_steps = false;
  std::vector<std::unique_ptr<ScriptedServer>> servers;
  std::unique_ptr<test::DeafListener> deaf;
  std::unique_ptr<test::RefusingPort> refusing;

  void ask_at(const std::string& host, std::uint16_t port) {
    check = test::make_check(check_text(*column, host, port, authority().ca_file().string()));
  }
  void ask_of(std::unique_ptr<ScriptedServer> server) {
    ask_at("127.0.0.1", server->port());
    servers.push_back(std::move(server));
  }
  [[nodiscard]] std::string name() const { return std::string(column->name) + ": " + fault; }
  /// Connections that the probe keeps between attempts.
  [[nodiscard]] int kept() const {
    const bool keeps =
        column->protocol == Protocol::postgres || column->protocol == Protocol::redis;
    return keeps && expected == "pass" ? 1 : 0;
  }
  /// Only the deadline ends silence.
  [[nodiscard]] bool lasts() const {
    return expected == "timeout" || expected == "connect_timeout" ||
           (expected == "dns" &&
            (fault.find("silent") != std::string::npos || fault == "packets vanish"));
  }
};

void set_certificate(Cell& cell) {
  const auto files = [&]() -> Certificate {
    if (cell.fault == "certificate expired") return authority().expired();
    if (cell.fault == "certificate not yet valid") return authority().not_yet_valid();
    if (cell.fault == "certificate of another host") return authority().other_host();
    if (cell.fault == "certificate self-signed") return authority().self_signed({.names = names});
    static Authority other("another CA");
    return other.issue({.names = names});
  }();
  cell.ask_of(serve(then(*cell.column, hang), files));
}

/// A name of the name server's; the good server stands behind it where it should.
void set_name(Cell& cell) {
  static const std::map<std::string, std::string> name_of{
      {"name: NXDOMAIN", "nx.example"},
      {"name: SERVFAIL", "servfail.example"},
      {"name: the server is silent", "silent.example"},
      {"name: only AAAA", "v6.example"},
      {"name: only A", "v4.example"},
      {"name: the first address is dead", "dead.example"}};
  const auto& name = name_of.at(cell.fault);
  cell.in_jail = true;
  if (cell.column->protocol == Protocol::dns) {
    cell.check = test::make_check("kind = \"dns\"\nname = \"" + name + "\"\n");
    return;
  }
  auto options = with(good_certificate());
  options.ipv6 = name == "v6.example";
  if (name == "dead.example") options.port = test::free_port();  // on ::1, too
  cell.servers.push_back(std::make_unique<ScriptedServer>(good(*cell.column), options));
  const auto port = cell.servers.back()->port();
  cell.ask_at(name, port);
  if (name != "dead.example") return;
  cell.deaf = std::make_unique<test::DeafListener>("::1", port);
  cell.deaf->fill();
}

/// dns asks the one name server for another name.
void set_dns(Cell& cell) {
  static const std::map<std::string, std::string> name_of{
      {"packets vanish", "silent.example"},
      {"silent after the question", "silent.example"},
      {"speaks something else", "garbage.example"}};
  if (cell.fault == "nobody listens" || cell.fault == "no way to the address") return;
  const auto name = name_of.contains(cell.fault) ? name_of.at(cell.fault) : "v4.example";
  cell.check = test::make_check("kind = \"dns\"\nname = \"" + name + "\"\nserver = \"127.0.0.1:" +
                                std::to_string(name_server().port()) + "\"\n");
}

void set_connection(Cell& cell) {
  const auto& column = *cell.column;
  const auto& fault = cell.fault;
  if (fault == "nobody listens") {
    cell.refusing = std::make_unique<test::RefusingPort>();
    cell.ask_at("127.0.0.1", cell.refusing->port());
  } else if (fault == "no way to the address") {
    cell.ask_at("255.255.255.255", 9);
  } else if (fault == "packets vanish" || fault == "silent when connected") {
    cell.deaf = std::make_unique<test::DeafListener>("127.0.0.1", 0, 1'024);
    if (fault == "packets vanish") cell.deaf->fill();
    cell.ask_at("127.0.0.1", cell.deaf->port());
  } else if (fault == "silent after the TLS hello") {
    cell.ask_of(serve(after_hello(column, hang)));
  } else if (fault == "silent after the question") {
    cell.ask_of(serve(after_question(column, hang)));
  } else if (fault == "silent after login or upgrade") {
    cell.ask_of(serve(silent_after_login(column)));
  } else if (fault == "reset when connected") {
    cell.ask_of(serve(reset));
  } else if (fault == "reset in the TLS handshake") {
    cell.ask_of(serve(after_hello(column, reset)));
  } else if (fault == "reset after the question") {
    cell.ask_of(serve(after_question(column, reset)));
  } else if (fault == "closed after the question") {
    cell.ask_of(serve(after_question(column, [](ScriptedConnection&) {})));
  } else if (fault == "a byte now and then") {
    cell.ask_of(serve(drip(column)));
  } else if (fault == "an answer without end") {
    cell.ask_of(serve(endless(column)));
  } else if (fault == "speaks something else") {
    cell.ask_of(serve([](ScriptedConnection& connection) {
      connection.send("220 mail.example ESMTP\r\n");
      connection.hang();
    }));
  } else {
    cell.ask_of(serve(good(column)));  // none; the clock steps
  }
}

std::unique_ptr<Cell> make_cell(const std::string& fault, const Column& column,
                                const std::string& expected) {
  auto cell = std::make_unique<Cell>();
  cell->fault = fault;
  cell->column = &column;
  cell->expected = expected;
  cell->clock_steps = fault == "the clock steps";
  if (fault.starts_with("name: ")) {
    set_name(*cell);
  } else if (fault.starts_with("certificate")) {
    set_certificate(*cell);
  } else {
    if (column.protocol == Protocol::dns) set_dns(*cell);
    if (!cell->check) set_connection(*cell);
  }
  return cell;
}

/// All of the table, made once: one list a column.
std::vector<std::vector<std::unique_ptr<Cell>>>& cells() {
  static auto all = [] {
    const auto rows = expected_rows();
    std::vector<std::vector<std::unique_ptr<Cell>>> made(columns.size());
    for (const auto& row : rows) {
      for (std::size_t c = 0; c < columns.size(); ++c) {
        if (row[c + 1] != "–") made[c].push_back(make_cell(row[0], columns[c], row[c + 1]));
      }
    }
    return made;
  }();
  return all;
}

test::ResolverJail& jail() {
  static test::ResolverJail the_one("nameserver " + name_server().address() + "\n");
  static const bool furnished = [] {
    the_one.bring(authority().ca_file());
    return true;
  }();
  static_cast<void>(furnished);
  return the_one;
}

struct Seen {
  std::string word;  // "pass", or the reason
  std::string detail;
  test::Took took;
};

Seen play(const Cell& cell, Duration limit) {
  Attempt attempt{.deadline = Deadline::after(limit)};
  if (cell.clock_steps) {
    attempt.drop_connections = true;
    attempt.now.wall += std::chrono::hours(3);
  }
  // No Stopwatch: the jail has no /proc.
  const auto stalls = test::stalls_so_far();
  const auto begin = Clock::now();
  auto result = cell.check->probe->run(attempt);
  Seen seen{"", std::move(result.detail), {.elapsed = Clock::now() - begin}};
  seen.took.stalled = test::stalled_since(stalls);
  seen.word = result.outcome == Outcome::pass ? "pass" : std::string(to_label(result.reason));
  return seen;
}

/// Every cell of the table, one thread a column, those that need the name server in the jail.
void for_all_cells(const std::function<void(const Cell&)>& body) {
  static_cast<void>(cells());
  const auto walk = [&](std::size_t column, bool in_jail) {
    for (const auto& cell : cells()[column]) {
      if (cell->in_jail == in_jail) body(*cell);
    }
  };
  const auto& place = jail();
  std::vector<std::thread> threads;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    threads.emplace_back([&, c] {
      walk(c, false);
      place.run([&] { walk(c, true); });
    });
  }
  for (auto& thread : threads) thread.join();
}

constexpr Duration silence_limit{400};
constexpr Duration answer_limit{6'000};
/// What is no silence is known by then, not only when the deadline ends it.
constexpr Duration answer_known{5'500};
/// A busy machine may wake us late; a probe that forgets its deadline is later than this.
constexpr Duration slack = test::at_most(Duration(500));
/// Postgres keeps this much of the deadline for its cancel request.
constexpr Duration early{50};

/// Of all threads, servers included; OpenSSL's caches move by 10 to 50 KiB. A leak of 100 bytes an
/// attempt in the TLS that four kinds share, and three faults of each, is more.
constexpr long heap_growth_max = 160 * 1024;
/// Every 6th attempt opens a fresh connection, every 10th a full TLS handshake: after a multiple of
/// both a probe holds what it held before.
constexpr int rounds_in_phase = 180;
/// Begun in the same thread, whose own buffers are made then.
constexpr int rounds_before = 10;
/// A leak of 23 bytes an attempt is more.
constexpr long cell_growth_max = 4 * 1024;

std::string complaint_about(const Cell& cell, const Seen& seen) {
  std::ostringstream text;
  const auto ms = std::chrono::duration_cast<Duration>(seen.took.elapsed).count();
  if (seen.word != cell.expected) {
    text << cell.name() << ": " << seen.word << ", expected " << cell.expected << " ("
         << seen.detail << ", after " << ms << " ms)\n";
  } else if (cell.lasts() && (seen.took.elapsed < silence_limit - early ||
                              seen.took.own() > silence_limit + slack)) {
    text << cell.name() << ": ended after " << ms << " ms, the deadline was at "
         << silence_limit.count() << " ms\n";
  } else if (!cell.lasts() && seen.took.own() > answer_known) {
    text << cell.name() << ": took " << ms << " ms to be known\n";
  }
  return text.str();
}

/// What the servers remember of their visitors is theirs, and grows.
void forget_visits() {
  name_server().forget();
  for (const auto& column : cells()) {
    for (const auto& cell : column) {
      for (const auto& server : cell->servers) server->forget();
    }
  }
}

struct Held {
  std::size_t descriptors = 0;
  std::size_t threads = 0;
  long heap = 0;
};
/// Of this process, servers included, once they have noticed that everybody is gone.
Held held_now() {
  forget_visits();
  return {test::open_descriptors(), test::running_threads(), held_by_all_threads()};
}

/// OpenSSL's caches belong to the whole process: what the probe's thread puts there, the thread of
/// a server of ours may throw out, and the other way round.
bool shares_openssl(const Cell& cell) { return cell.column->tls && !cell.servers.empty(); }

/// No cell needs its answer here; silence need not be waited for.
Duration round_limit(const Cell& cell) {
  if (cell.lasts()) return Duration(3);
  // The second address is tried after 250 ms; who keeps a connection waits for that only once.
  const bool waits = cell.fault == "name: the first address is dead" && cell.kept() == 0;
  return cell.expected != "pass" || waits ? Duration(30) : answer_limit;
}

bool all_settled() {
  for (const auto& column : cells()) {
    for (const auto& cell : column) {
      for (const auto& server : cell->servers) {
        if (server->open_connections() > cell->kept()) return false;
      }
    }
  }
  return true;
}

}  // namespace

TEST_SUITE("fault matrix") {
  TEST_CASE("fault matrix: every kind says of every fault what the contract says, in time") {
    std::mutex mutex;
    std::string complaints;
    int played = 0;
    for_all_cells([&](const Cell& cell) {
      if (cell.clock_steps) static_cast<void>(play(cell, answer_limit));  // a connection to drop
      const auto seen = play(cell, cell.lasts() ? silence_limit : answer_limit);
      const std::lock_guard lock(mutex);
      complaints += complaint_about(cell, seen);
      ++played;
    });
    CHECK_MESSAGE(complaints.empty(), complaints);
    CHECK(played > 200);
  }

  TEST_CASE("fault matrix: 200 rounds of it leave no descriptor, no thread and no memory behind") {
    const auto rounds = [](const Cell& cell, int count) {
      for (int i = 0; i < count; ++i) static_cast<void>(play(cell, round_limit(cell)));
    };
    // What is made once is there then: kept connections, arenas of the heap.
    for_all_cells([&](const Cell& cell) { rounds(cell, 20); });
    REQUIRE(test::eventually(all_settled));
    const auto before = held_now();
    std::mutex mutex;
    std::string leaks;
    for_all_cells([&](const Cell& cell) {
      rounds(cell, rounds_before);
      const long held = held_by_this_thread();
      rounds(cell, rounds_in_phase);
      const long grown = held_by_this_thread() - held;
      if (grown <= cell_growth_max || shares_openssl(cell)) return;
      const std::lock_guard lock(mutex);
      leaks += cell.name() + ": " + std::to_string(grown) + " bytes more after " +
               std::to_string(rounds_in_phase) + " attempts\n";
    });
    CHECK_MESSAGE(leaks.empty(), leaks);
    REQUIRE(test::eventually(all_settled));
    CHECK(test::eventually([&] { return held_now().descriptors == before.descriptors; }));
    CHECK(test::eventually([&] { return held_now().threads == before.threads; }));
    CHECK(test::eventually([&] { return held_now().heap - before.heap < heap_growth_max; }));
  }

  TEST_CASE("fault matrix: a leak of 23 bytes an attempt would be seen in its cell") {
    if (!heap_is_counted) return;
    const long held = held_by_this_thread();
    std::vector<std::unique_ptr<char[]>> leaked;
    leaked.reserve(rounds_in_phase);
    for (int i = 0; i < rounds_in_phase; ++i) leaked.push_back(std::make_unique<char[]>(23));
    CHECK(held_by_this_thread() - held > cell_growth_max);
    leaked.clear();
    leaked.shrink_to_fit();
    CHECK(held_by_this_thread() == held);
  }

  TEST_CASE("fault matrix: it stands in the README as it stands here") {
    std::ifstream file(test::source_dir() / "README.md");
    std::ostringstream readme;
    readme << file.rdbuf();
    CHECK_MESSAGE(readme.str().find(expectations) != std::string::npos,
                  "the README's table of faults must be:\n"
                      << expectations);
  }
}

}  // namespace vitals
