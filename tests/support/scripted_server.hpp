// A small TCP and HTTP server on loopback that misbehaves exactly as a test tells it to.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vitals::test {

/// One accepted connection as a script sees it. Every call that waits ends when the client is gone
/// or the server is stopped; from then on all calls do nothing.
class ScriptedConnection {
 public:
  struct State;
  explicit ScriptedConnection(State& state) : state_(state) {}

  /// Speaks TLS from here on; false when the handshake failed. For servers made with a certificate.
  bool handshake();
  /// Which of the server's connections this is; 1 is the first.
  [[nodiscard]] int number() const;
  /// Waits for some bytes and forgets them; false at the end.
  bool read_some();
  /// As read_some(), and returns them; "" at the end.
  std::string read_bytes();
  /// Reads until `text` has come, and forgets all that came with it; false at the end.
  bool read_until(std::string_view text);
  /// Reads a request head with its body (by Content-Length), records it, and returns it; "" at the
  /// end of the connection.
  std::string read_request();
  void send(std::string_view bytes);
  /// A byte, a pause, a byte, …
  void drip(std::string_view bytes, std::chrono::milliseconds pause);
  /// The same again and again, until the client has enough.
  void send_endlessly(std::string_view bytes);
  /// Silence, until the client goes.
  void hang();
  /// FIN: nothing more will be sent, though the connection stays.
  void end_sending() const;
  /// RST instead of FIN. The script should end after it.
  void reset();
  /// Becomes a tunnel to that loopback port, as a proxy does after CONNECT.
  void tunnel(std::uint16_t port) const;
  /// The first line of a request: "GET /path HTTP/1.1" → "/path".
  static std::string target_of(const std::string& request);
  /// Value of a header in a request, "" when it is not there.
  static std::string header_of(const std::string& request, const std::string& name);

 private:
  State& state_;
};

/// "HTTP/1.1 200 OK" with Content-Length, Connection: close and the header lines given ("A:
/// b\r\n").
std::string http_answer(const std::string& status, const std::string& body,
                        const std::string& header_lines = {});

struct ScriptedOptions {
  /// With a certificate scripts may call handshake().
  std::filesystem::path certificate;
  std::filesystem::path key;
  /// A client certificate of this authority is required.
  std::filesystem::path client_ca;
  /// Only TLS 1.2 and below.
  bool only_tls12 = false;
  /// Accepts nothing: what connects stays in the kernel's queue.
  bool never_accept = false;
  /// Listens on [::1] instead of 127.0.0.1.
  bool ipv6 = false;
  /// Listens on this port of the loopback address; 0 picks one whose number nobody gets in the
  /// other family meanwhile.
  std::uint16_t port = 0;
  /// Listens on this port of all addresses instead.
  std::uint16_t public_port = 0;
  /// Listens on this Unix socket instead of TCP.
  std::filesystem::path unix_path;
};

/// Each connection runs the script on a thread of its own and is closed when the script returns.
class ScriptedServer {
 public:
  using Script = std::function<void(ScriptedConnection&)>;
  using Options = ScriptedOptions;

  explicit ScriptedServer(Script script, Options options = {});
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// "http://127.0.0.1:PORT" + path.
  [[nodiscard]] std::string url(const std::string& path = "/") const;
  /// "https://localhost:PORT" + path.
  [[nodiscard]] std::string https_url(const std::string& path = "/") const;
  /// When connections were accepted, in order.
  [[nodiscard]] std::vector<std::chrono::steady_clock::time_point> accepts() const;
  /// What read_request() read, in order.
  [[nodiscard]] std::vector<std::string> requests() const;
  /// Empties accepts() and requests(), and gives their memory back.
  void forget();
  /// TLS handshakes that finished, and how many of them resumed a session.
  [[nodiscard]] int handshakes() const;
  [[nodiscard]] int resumed() const;
  /// Connections whose script has not returned yet.
  [[nodiscard]] int open_connections() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

/// Reads one request, answers it, and closes. The usual script.
ScriptedServer::Script answering(std::string answer);
/// The same over TLS.
ScriptedServer::Script answering_tls(std::string answer);

}  // namespace vitals::test
