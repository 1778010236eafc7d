// Runs scripts on accepted loopback connections, plain or TLS (OpenSSL), and records what it saw.
#include "tests/support/scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <list>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include <vitals/fd.hpp>

namespace vitals::test {
namespace {

struct ContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using Context = std::unique_ptr<SSL_CTX, ContextFree>;

constexpr int backlog = 128;
constexpr int forever = -1;

void demand(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(std::string("scripted server: ") + what);
}

Context make_context(const ScriptedServer::Options& options) {
  if (options.certificate.empty()) return {};
  Context context(SSL_CTX_new(TLS_server_method()));
  demand(context != nullptr, "no TLS context");
  demand(SSL_CTX_use_certificate_chain_file(context.get(), options.certificate.c_str()) == 1 &&
             SSL_CTX_use_PrivateKey_file(context.get(), options.key.c_str(), SSL_FILETYPE_PEM) == 1,
         "certificate or key does not load");
  if (options.only_tls12) SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  if (!options.client_ca.empty()) {
    demand(SSL_CTX_load_verify_locations(context.get(), options.client_ca.c_str(), nullptr) == 1,
           "client CA does not load");
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  const std::string id = "scripted";
  SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>(id.data()),
                                 static_cast<unsigned>(id.size()));
  return context;
}

Fd listen_unix(const std::filesystem::path& path) {
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  demand(path.string().size() < sizeof address.sun_path, "socket path too long");
  std::memcpy(address.sun_path, path.c_str(), path.string().size());
  demand(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
             listen(fd.get(), backlog) == 0,
         "can't listen on the Unix socket");
  return fd;
}

/// The loopback address of one family.
struct Loopback {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  bool ipv6;

  Loopback(std::uint16_t port, bool of_ipv6) : ipv6(of_ipv6) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_addr = in6addr_loopback;
  }
  [[nodiscard]] int family() const { return ipv6 ? AF_INET6 : AF_INET; }
  [[nodiscard]] sockaddr* raw() {
    return ipv6 ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
  }
  [[nodiscard]] socklen_t size() const { return ipv6 ? sizeof v6 : sizeof v4; }
  [[nodiscard]] std::uint16_t port() const { return ntohs(ipv6 ? v6.sin6_port : v4.sin_port); }
};

/// 0 becomes the port that the kernel picked.
Fd listen_tcp(std::uint16_t& port, int queue, bool ipv6) {
  Loopback address(port, ipv6);
  socklen_t length = address.size();
  Fd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  demand(bind(fd.get(), address.raw(), length) == 0 && listen(fd.get(), queue) == 0 &&
             getsockname(fd.get(), address.raw(), &length) == 0,
         "can't listen on loopback");
  port = address.port();
  return fd;
}

Fd listen_everywhere(std::uint16_t port) {
  Fd fd(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  demand(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
             listen(fd.get(), backlog) == 0,
         "can't listen on that port");
  return fd;
}

/// The number of a port that the kernel picked for one family, in the other one: whoever comes
/// there by the name localhost is refused, for nobody else can have it. Nothing when somebody has
/// it.
std::optional<Fd> kept_free(std::uint16_t port, bool ipv6) {
  Loopback address(port, ipv6);
  Fd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || bind(fd.get(), address.raw(), address.size()) == 0) return fd;
  if (errno == EADDRINUSE) return std::nullopt;
  return Fd();  // this machine does not speak it
}

struct Listening {
  Fd fd;
  Fd kept{};  // what nobody else may have meanwhile
  std::uint16_t port = 0;
};

Listening listen_on_loopback(const ScriptedOptions& options) {
  constexpr int tries = 50;
  for (int i = 0; i < tries; ++i) {
    Listening listening{.fd = {}, .port = options.port};
    listening.fd = listen_tcp(listening.port, options.never_accept ? 0 : backlog, options.ipv6);
    if (options.port != 0) return listening;  // the caller knows whose the other one is
    auto kept = kept_free(listening.port, !options.ipv6);
    if (!kept) continue;
    listening.kept = std::move(*kept);
    return listening;
  }
  throw std::runtime_error("scripted server: no port that is free in both families");
}

Listening listen_as(const ScriptedOptions& options) {
  if (!options.unix_path.empty()) return {.fd = listen_unix(options.unix_path)};
  if (options.public_port == 0) return listen_on_loopback(options);
  return {.fd = listen_everywhere(options.public_port), .port = options.public_port};
}

Fd connect_to(std::uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Fd();
  return fd;
}

bool same_text(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

}  // namespace

struct ScriptedServer::Impl {
  Script script;
  Options options;
  Context context;
  Fd listener;
  Fd kept;
  Fd stop{eventfd(0, EFD_CLOEXEC)};
  std::uint16_t port = 0;
  std::atomic<int> open{0};
  std::atomic<int> handshakes{0};
  std::atomic<int> resumed{0};

  mutable std::mutex mutex;  // guards the two lists below
  std::vector<std::chrono::steady_clock::time_point> accepts;
  std::vector<std::string> requests;

  struct Worker {
    std::thread thread;
    std::atomic<bool> done{false};
  };
  std::list<Worker> workers;  // touched by the acceptor, and by the destructor after joining it
  std::thread acceptor;

  void accept_loop();
  void serve(Fd client, int number);
};

struct ScriptedConnection::State {
  ScriptedServer::Impl& server;
  Fd fd;
  int number = 0;
  std::unique_ptr<SSL, SslFree> ssl{};
  std::string pending{};  // read but not consumed
  bool over = false;

  /// False: the server stops or the time is up.
  bool wait(short events, int milliseconds = forever) const {
    std::array<pollfd, 2> fds{{{fd.get(), events, 0}, {server.stop.get(), POLLIN, 0}}};
    const int ready = poll(fds.data(), fds.size(), milliseconds);
    return ready > 0 && fds[1].revents == 0;
  }
  /// Bytes read, 0 at the end of it.
  std::size_t receive(char* buffer, std::size_t size) {
    if (over || ((ssl == nullptr || SSL_pending(ssl.get()) == 0) && !wait(POLLIN))) return 0;
    const auto count = ssl ? SSL_read(ssl.get(), buffer, static_cast<int>(size))
                           : static_cast<int>(::recv(fd.get(), buffer, size, 0));
    over = count <= 0;
    return over ? 0 : static_cast<std::size_t>(count);
  }
  bool transmit(std::string_view bytes) {
    while (!bytes.empty() && !over) {
      if (!wait(POLLOUT)) return false;
      const auto chunk = std::min<std::size_t>(bytes.size(), 16 * 1024);
      const auto count = ssl ? SSL_write(ssl.get(), bytes.data(), static_cast<int>(chunk))
                             : static_cast<int>(::send(fd.get(), bytes.data(), chunk,
                                                       MSG_NOSIGNAL | MSG_DONTWAIT));
      if (count < 0 && !ssl && errno == EAGAIN) continue;
      over = count <= 0;
      if (!over) bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return !over;
  }
  bool fill() {
    std::array<char, 4096> buffer{};
    const auto count = receive(buffer.data(), buffer.size());
    pending.append(buffer.data(), count);
    return count > 0;
  }
};

bool ScriptedConnection::handshake() {
  demand(state_.server.context != nullptr, "made without a certificate");
  std::unique_ptr<SSL, SslFree> ssl(SSL_new(state_.server.context.get()));
  SSL_set_fd(ssl.get(), state_.fd.get());
  if (!state_.wait(POLLIN) || SSL_accept(ssl.get()) != 1) {
    state_.over = true;
    return false;
  }
  ++state_.server.handshakes;
  if (SSL_session_reused(ssl.get()) == 1) ++state_.server.resumed;
  state_.ssl = std::move(ssl);
  return true;
}

bool ScriptedConnection::read_some() { return !read_bytes().empty(); }

std::string ScriptedConnection::read_bytes() {
  if (!state_.fill()) state_.pending.clear();
  return std::exchange(state_.pending, {});
}

int ScriptedConnection::number() const { return state_.number; }

bool ScriptedConnection::read_until(std::string_view text) {
  while (state_.pending.find(text) == std::string::npos) {
    if (!state_.fill()) return false;
  }
  state_.pending.clear();
  return true;
}

std::string ScriptedConnection::read_request() {
  std::size_t end = 0;
  while ((end = state_.pending.find("\r\n\r\n")) == std::string::npos) {
    if (!state_.fill()) return {};
  }
  std::string request = state_.pending.substr(0, end + 4);
  const auto length = header_of(request, "Content-Length");
  const auto whole = request.size() + (length.empty() ? 0 : std::stoul(length));
  while (state_.pending.size() < whole) {
    if (!state_.fill()) return {};
  }
  request = state_.pending.substr(0, whole);
  state_.pending.erase(0, whole);
  const std::lock_guard lock(state_.server.mutex);
  state_.server.requests.push_back(request);
  return request;
}

void ScriptedConnection::send(std::string_view bytes) { state_.transmit(bytes); }

void ScriptedConnection::drip(std::string_view bytes, std::chrono::milliseconds pause) {
  for (const char byte : bytes) {
    if (!state_.transmit({&byte, 1})) return;
    // The pause ends early when the client goes or sends something.
    if (state_.wait(POLLIN, static_cast<int>(pause.count())) && !state_.fill()) return;
  }
}

void ScriptedConnection::send_endlessly(std::string_view bytes) {
  while (state_.transmit(bytes)) {
  }
}

void ScriptedConnection::hang() {
  while (state_.fill()) {
  }
}

void ScriptedConnection::end_sending() const { shutdown(state_.fd.get(), SHUT_WR); }

void ScriptedConnection::reset() {
  const linger now{1, 0};
  setsockopt(state_.fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  state_.ssl.reset();
  state_.fd.reset();
  state_.over = true;
}

void ScriptedConnection::tunnel(std::uint16_t port) const {
  const Fd upstream = connect_to(port);
  std::array<char, 16 * 1024> buffer{};
  while (upstream && !state_.over) {
    std::array<pollfd, 3> fds{{{state_.fd.get(), POLLIN, 0},
                               {upstream.get(), POLLIN, 0},
                               {state_.server.stop.get(), POLLIN, 0}}};
    if (poll(fds.data(), fds.size(), forever) <= 0 || fds[2].revents != 0) return;
    for (int side = 0; side < 2; ++side) {
      if (fds[static_cast<std::size_t>(side)].revents == 0) continue;
      const int from = side == 0 ? state_.fd.get() : upstream.get();
      const int to = side == 0 ? upstream.get() : state_.fd.get();
      const auto count = ::recv(from, buffer.data(), buffer.size(), 0);
      if (count <= 0 ||
          ::send(to, buffer.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL) != count) {
        return;
      }
    }
  }
}

std::string ScriptedConnection::target_of(const std::string& request) {
  const auto begin = request.find(' ');
  if (begin == std::string::npos) return {};
  return request.substr(begin + 1, request.find(' ', begin + 1) - begin - 1);
}

std::string ScriptedConnection::header_of(const std::string& request, const std::string& name) {
  std::string_view rest(request);
  while (!rest.empty()) {
    const auto end = rest.find("\r\n");
    const auto line = rest.substr(0, end);
    const auto colon = line.find(':');
    if (colon != std::string_view::npos && same_text(line.substr(0, colon), name)) {
      const auto value = line.find_first_not_of(' ', colon + 1);
      return value == std::string_view::npos ? std::string() : std::string(line.substr(value));
    }
    if (end == std::string_view::npos || line.empty()) break;
    rest.remove_prefix(end + 2);
  }
  return {};
}

std::string http_answer(const std::string& status, const std::string& body,
                        const std::string& header_lines) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n" + header_lines + "\r\n" + body;
}

void ScriptedServer::Impl::accept_loop() {
  while (true) {
    std::array<pollfd, 2> fds{{{listener.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}}};
    if (options.never_accept) fds[0].fd = -1;
    if (poll(fds.data(), fds.size(), forever) < 0) continue;
    if (fds[1].revents != 0) return;
    Fd client(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    // What a script sends is sent now, not when the client acknowledges what came before.
    const int on = 1;
    setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!client) continue;
    int number = 0;
    {
      const std::lock_guard lock(mutex);
      accepts.push_back(std::chrono::steady_clock::now());
      number = static_cast<int>(accepts.size());
    }
    ++open;
    // A finished thread that nobody joins keeps its stack.
    workers.remove_if([](Worker& worker) {
      if (!worker.done) return false;
      worker.thread.join();
      return true;
    });
    Worker& worker = workers.emplace_back();
    worker.thread = std::thread([this, &worker, number, fd = std::move(client)]() mutable {
      serve(std::move(fd), number);
      worker.done = true;
    });
  }
}

void ScriptedServer::Impl::serve(Fd client, int number) {
  ScriptedConnection::State state{*this, std::move(client), number};
  ScriptedConnection connection(state);
  script(connection);
  if (state.ssl && !state.over) SSL_shutdown(state.ssl.get());
  state.ssl.reset();
  // What the client still sends must not turn our last bytes into a reset.
  if (state.fd) {
    shutdown(state.fd.get(), SHUT_WR);
    std::array<char, 4096> rest{};
    while (state.wait(POLLIN, 1'000) && ::recv(state.fd.get(), rest.data(), rest.size(), 0) > 0) {
    }
  }
  state.fd.reset();
  --open;
}

ScriptedServer::ScriptedServer(Script script, Options options) : impl_(std::make_unique<Impl>()) {
  impl_->script = std::move(script);
  std::signal(SIGPIPE, SIG_IGN);  // as the agent does; OpenSSL writes without MSG_NOSIGNAL
  impl_->context = make_context(options);
  auto listening = listen_as(options);
  impl_->listener = std::move(listening.fd);
  impl_->kept = std::move(listening.kept);
  impl_->port = listening.port;
  impl_->options = std::move(options);
  impl_->acceptor = std::thread([this] { impl_->accept_loop(); });
}

ScriptedServer::~ScriptedServer() {
  const std::uint64_t one = 1;
  demand(write(impl_->stop.get(), &one, sizeof one) == sizeof one, "can't stop");
  impl_->acceptor.join();
  for (auto& worker : impl_->workers) worker.thread.join();
}

std::uint16_t ScriptedServer::port() const { return impl_->port; }

std::string ScriptedServer::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(impl_->port) + path;
}

std::string ScriptedServer::https_url(const std::string& path) const {
  return "https://localhost:" + std::to_string(impl_->port) + path;
}

std::vector<std::chrono::steady_clock::time_point> ScriptedServer::accepts() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->accepts;
}

std::vector<std::string> ScriptedServer::requests() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->requests;
}

void ScriptedServer::forget() {
  const std::lock_guard lock(impl_->mutex);
  std::exchange(impl_->accepts, {});
  std::exchange(impl_->requests, {});
}

int ScriptedServer::handshakes() const { return impl_->handshakes; }
int ScriptedServer::resumed() const { return impl_->resumed; }
int ScriptedServer::open_connections() const { return impl_->open; }

ScriptedServer::Script answering(std::string answer) {
  return [answer = std::move(answer)](ScriptedConnection& connection) {
    if (!connection.read_request().empty()) connection.send(answer);
  };
}

ScriptedServer::Script answering_tls(std::string answer) {
  return [answer = std::move(answer)](ScriptedConnection& connection) {
    if (connection.handshake() && !connection.read_request().empty()) connection.send(answer);
  };
}

}  // namespace vitals::test
