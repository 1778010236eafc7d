// The listener on real sockets: well-behaved, slow, hostile and too many clients.
#include "agent/serve/http_server.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/serve/event_loop.hpp"
#include "tests/support/process.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/timing.hpp"

using namespace vitals;
using namespace std::chrono_literals;
using test::RawClient;

namespace {

constexpr const char* get_health = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";

/// Lets handlers of /slow wait until the test opens it.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.wait(lock, [this] { return open_; });
  }
  int waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

constexpr std::size_t big_size = 8'000'000;

/// A server whose handler tells what it was asked.
struct Served {
  Gate gate;
  std::atomic<std::thread::id> loop_thread{};
  std::unique_ptr<HttpServer> server;

  explicit Served(ServerLimits limits = {}, const std::string& address = "[::]:0") {
    auto made = HttpServer::listen(address, limits);
    REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().message));
    server = std::move(made).value();
    REQUIRE_FALSE(server->start([this](const HttpRequest& request) { return handle(request); },
                                {"/slow", "/big"}));
  }
  ~Served() {
    gate.open();
    server->stop(Duration(0));
  }

  HttpReply handle(const HttpRequest& request) {
    HttpReply reply;
    reply.endpoint = request.path == "/health" ? "health" : "other";
    reply.content_type = "text/plain";
    if (request.path == "/slow") gate.pass();
    reply.defer = request.may_defer && request.path == "/deferred";
    if (request.path == "/deferred" && !request.may_defer) {
      reply.body = std::this_thread::get_id() == loop_thread ? "here" : "on the worker";
      return reply;
    }
    if (request.path == "/health") loop_thread = std::this_thread::get_id();
    if (request.path == "/throw") throw std::runtime_error("a bug");
    if (request.path == "/nothing") reply.status = 204;
    if (request.path == "/fail") reply.status = 503;
    if (request.path == "/nothing") return reply;
    reply.body = request.path == "/big" ? std::string(big_size, 'b') : describe(request);
    return reply;
  }

  static std::string describe(const HttpRequest& request) {
    std::string text = request.method + " " + request.path;
    for (const auto& [name, value] : request.query) text += " " + name + "=" + value;
    if (!request.body.empty()) text += " body=" + request.body;
    if (!request.accept.empty()) text += " accept=" + request.accept;
    if (!request.authorization.empty()) text += " auth=" + request.authorization;
    if (request.from_loopback) text += " loopback";
    if (request.forwarded) text += " forwarded";
    return text;
  }

  [[nodiscard]] std::uint16_t port() const { return server->port(); }
  [[nodiscard]] bool has_connections(std::size_t count) const {
    return test::eventually([&] { return server->stats().connections == count; });
  }
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string ask_for_body(std::uint16_t port, const std::string& request) {
  RawClient client(port);
  const auto answer = client.ask(request);
  return answer ? answer->body : "nothing";
}

int status_of(std::uint16_t port, const std::string& request) {
  RawClient client(port);
  const auto answer = client.ask(request);
  return answer ? answer->status : 0;
}

}  // namespace

TEST_SUITE_BEGIN("http_server");

TEST_CASE("server: an answer has its length, is never stored, and keeps the connection") {
  Served served;
  RawClient client(served.port());
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.ask(get_health);
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(answer->body == "GET /health loopback");
    CHECK(answer->header("content-length") == "20");
    CHECK(answer->header("content-type") == "text/plain");
    CHECK(answer->header("cache-control") == "no-store");
    CHECK(answer->header("vary") == "Accept");
    CHECK(answer->header("date").ends_with(" GMT"));
    CHECK_FALSE(answer->has("connection"));
    CHECK_FALSE(answer->has("keep-alive"));
    CHECK_FALSE(answer->has("retry-after"));
  }
}

TEST_CASE(
    "server: 503 carries Retry-After and keeps the connection, 204 has neither length nor body") {
  Served served;
  RawClient client(served.port());
  const auto failing = client.ask("GET /fail HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(failing);
  CHECK(failing->status == 503);
  CHECK(failing->has("retry-after"));
  CHECK_FALSE(failing->has("connection"));
  const auto nothing = client.ask("POST /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(nothing);
  CHECK(nothing->status == 204);
  CHECK_FALSE(nothing->has("content-length"));
  CHECK(client.ask(get_health)->status == 200);
}

TEST_CASE("server: the handler sees the request decoded, and the credentials as they were sent") {
  Served served;
  CHECK(ask_for_body(served.port(),
                     "GET http://x/a%20b?c=%2F&d HTTP/1.1\r\nHost: a\r\nAccept: ,,bad\r\n"
                     "Accept: text/plain\r\nAuthorization: Bearer a%41\r\nRange: bytes=9-1\r\n"
                     "Fly-Client-IP: 1.2.3.4\r\nUpgrade: websocket\r\n\r\n") ==
        "GET /a b c=/ d= accept=,,bad, text/plain auth=Bearer a%41 loopback forwarded");
  CHECK(ask_for_body(served.port(), "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n") ==
        "BREW /pot loopback");
}

TEST_CASE("server: HEAD has the headers of GET and no body") {
  Served served;
  RawClient client(served.port());
  for (const auto* path : {"/health", "/big"}) {
    client.send(std::string("HEAD ") + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto head = client.answer(true);
    REQUIRE(head);
    CHECK(head->status == 200);
    CHECK(head->header("content-length") ==
          (path == std::string("/big") ? std::to_string(big_size) : "21"));
    CHECK_FALSE(head->has("accept-ranges"));
  }
  CHECK(client.ask(get_health)->body == "GET /health loopback");
}

TEST_CASE("server: bodies come by length and by chunks, also byte by byte") {
  Served served;
  RawClient client(served.port());
  const std::string by_length =
      "POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
      "Content-Length: 5\r\n\r\nhe=lo";
  const std::string by_chunks =
      "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
  CHECK(client.ask(by_length)->body == "POST /x body=he=lo loopback");
  CHECK(client.ask(by_chunks)->body == "POST /x body=hello loopback");
  for (const char c : by_length) client.send(std::string(1, c));
  CHECK(client.answer()->body == "POST /x body=he=lo loopback");
  for (const char c : by_chunks) client.send(std::string(1, c));
  CHECK(client.answer()->body == "POST /x body=hello loopback");
  CHECK(client.ask("GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")->body ==
        "GET /x body=hi loopback");
}

TEST_CASE("server: a body that waits for 100-continue gets it, one that is too large gets 413") {
  Served served;
  RawClient client(served.port());
  const auto interim = client.ask(
      "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
  REQUIRE(interim);
  CHECK(interim->status == 100);
  CHECK(client.ask("hi")->body == "POST /x body=hi loopback");
  CHECK(
      client
          .ask(
              "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n")
          ->status == 413);
  CHECK(client.closes());
}

TEST_CASE("server: pipelined requests are answered in order, slow ones among them") {
  Served served;
  RawClient client(served.port());
  std::string requests;
  for (int i = 0; i < 500; ++i) {
    const std::string path = i % 100 == 50 ? "/slow" : "/p" + std::to_string(i);
    requests += "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  served.gate.open();
  REQUIRE(client.send(requests));
  for (int i = 0; i < 500; ++i) {
    const auto answer = client.answer();
    REQUIRE(answer);
    const std::string path = i % 100 == 50 ? "/slow" : "/p" + std::to_string(i);
    CHECK(answer->body == "GET " + path + " loopback");
  }
}

TEST_CASE("server: HTTP/1.0 is closed unless it asks to be kept, and close is honoured") {
  Served served;
  RawClient old(served.port());
  const auto first = old.ask("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  REQUIRE(first);
  CHECK(first->header("connection") == "keep-alive");
  const auto second = old.ask("GET /x HTTP/1.0\r\n\r\n");
  REQUIRE(second);
  CHECK(second->header("connection") == "close");
  CHECK(old.closes());
  RawClient closing(served.port());
  const auto last = closing.ask("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  REQUIRE(last);
  CHECK(last->header("connection") == "close");
  CHECK(closing.closes());
}

TEST_CASE("server: a client that has said all it wants still gets its answers") {
  Served served;
  RawClient client(served.port());
  client.send(std::string(get_health) + "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  client.shutdown_write();
  CHECK(client.answer()->body == "GET /health loopback");
  served.gate.open();
  CHECK(client.answer()->body == "GET /slow loopback");
  CHECK(client.closes());
  CHECK(served.has_connections(0));
}

TEST_CASE("server: abuse is answered with its code and a close, and the answer arrives") {
  struct Row {
    std::string bytes;
    int status;
  };
  const std::string junk(40'000, 'j');  // unread input would reset the connection
  const std::vector<Row> rows{
      {"GET / HTTP/1.1\n" + junk, 400},
      {"GET / HTTP/1.1\r\n\r\n" + junk, 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" +
           junk,
       400},
      {"GET /" + junk + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
      {"GET / HTTP/1.1\r\nHost: a\r\nA: " + junk + "\r\n\r\n", 431},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n" + junk, 413},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9c40\r\n" + junk, 413},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + junk, 400},
      {std::string("\x16\x03\x01\x00\xa5\x01", 6) + junk, 400},
  };
  Served served;
  for (const auto& row : rows) {
    CAPTURE(row.bytes.substr(0, 60));
    RawClient client(served.port());
    client.send(row.bytes);
    const auto answer = client.answer();
    REQUIRE(answer);
    CHECK(answer->status == row.status);
    CHECK(answer->header("connection") == "close");
    CHECK(answer->header("content-type") == "application/json");
    CHECK(answer->header("vary") == "Accept");
    CHECK(answer->body.starts_with("{\"error\": \""));
    CHECK(answer->body.size() == std::stoul(answer->header("content-length")));
    CHECK(client.closes());
  }
  const auto stats = served.server->stats();
  CHECK(stats.requests.at({"other", 400}) == 5);
  CHECK(stats.requests.at({"other", 413}) == 2);
  CHECK(stats.requests.at({"other", 414}) == 1);
  CHECK(stats.requests.at({"other", 431}) == 1);
}

TEST_CASE("server: a smuggled second request behind a refused one is never answered") {
  Served served;
  RawClient client(served.port());
  client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto all = client.rest();
  CHECK(all.find("HTTP/1.1 400") == 0);
  CHECK(all.find("HTTP/1.1", 1) == std::string::npos);
}

TEST_CASE("server: a head that drips is closed at its time, a silent connection at another") {
  ServerLimits limits;
  limits.head_timeout = Duration(300);
  limits.silent_timeout = Duration(900);
  Served served(limits);
  const auto began = std::chrono::steady_clock::now();
  RawClient silent(served.port());
  RawClient dripping(served.port());
  RawClient body(served.port());
  const test::Stopwatch watch;
  const auto own_seconds = [&] {
    return std::chrono::duration<double>(watch.took().own()).count();
  };
  body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
  std::atomic<bool> stop = false;
  std::thread drip([&] { test::eventually([&] { return stop || !dripping.send("G"); }); });
  const auto slow = dripping.answer();
  const double took = seconds_since(began);
  const double own = own_seconds();
  stop = true;
  drip.join();
  REQUIRE(slow);
  CHECK(slow->status == 408);
  CHECK(took > 0.25);
  CHECK(own < test::at_most(0.8));
  CHECK(body.answer()->status == 408);
  CHECK(silent.closes());
  CHECK(seconds_since(began) > 0.8);
  CHECK(own_seconds() < test::at_most(2));
}

TEST_CASE("server: the limits in force by default are what the README says") {
  const ServerLimits limits;
  CHECK(limits.request_line_max == 4'096);
  CHECK(limits.head_max == 8'192);
  CHECK(limits.body_max == 1'024);
  CHECK(limits.connections_max == 4'096);
  CHECK(limits.head_timeout == std::chrono::seconds(2));
  CHECK(limits.silent_timeout == std::chrono::seconds(60));
}

TEST_CASE("server: keep-alive waits for the next request as long as for the first") {
  ServerLimits limits;
  limits.silent_timeout = Duration(300);
  Served served(limits);
  RawClient client(served.port());
  const auto start = std::chrono::steady_clock::now();  // no later than the answer
  CHECK(client.ask(get_health)->status == 200);
  CHECK(client.closes());
  CHECK(seconds_since(start) > 0.25);
}

TEST_CASE("server: beyond its limit the longest idle connection goes first") {
  ServerLimits limits;
  limits.connections_max = 8;
  Served served(limits);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<RawClient>(served.port()));
    REQUIRE(served.has_connections(i + 1));
  }
  // The first one speaks up: now the second is idle for longest.
  CHECK(clients[0]->ask(get_health)->status == 200);
  RawClient late(served.port());
  CHECK(late.ask(get_health)->status == 200);
  CHECK(clients[1]->closes());
  CHECK(clients[0]->ask(get_health)->status == 200);
  CHECK(clients[2]->ask(get_health)->status == 200);
  CHECK(served.server->stats().connections == 8);
}

TEST_CASE("server: 4,096 is the default limit, less what probes need of a low descriptor limit") {
  const auto connections = [](std::size_t most, std::size_t descriptors, std::size_t kept = 0) {
    ServerLimits limits;
    limits.connections_max = most;
    limits.descriptors_kept = kept;
    return http::connections_for(limits, descriptors);
  };
  CHECK(connections(4'096, 10'240) == 4'096);
  CHECK(connections(4'096, 1'048'576) == 4'096);
  CHECK(connections(4'096, 1'024) == 768);
  CHECK(connections(4'096, 128) == 64);
  CHECK(connections(4'096, 32) == 16);
  CHECK(connections(8, 128) == 8);
  // Probes come first: clients are told to come back, checks would be wrong.
  CHECK(connections(4'096, 1'024, 300) == 660);
  CHECK(connections(4'096, 1'024, 3'000) == 16);
  CHECK(connections(4'096, 16'192, 3'000) == 4'096);
}

namespace {

/// In a child with few descriptors: 256 clients hold on, and then somebody asks. Exit code 0: well.
int serve_with_few_descriptors(int port_pipe, int done_pipe, bool keep_none) {
  const rlimit few{128, 128};
  if (setrlimit(RLIMIT_NOFILE, &few) != 0) return 10;
  auto made = HttpServer::listen("127.0.0.1:0");
  if (!made) return 11;
  if (made.value()->start([](const HttpRequest&) { return HttpReply{}; }, {})) return 12;
  std::vector<Fd> taken;
  while (keep_none) {  // as if probes had taken all of them
    Fd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!fd) break;
    taken.push_back(std::move(fd));
  }
  const auto port = made.value()->port();
  if (write(port_pipe, &port, sizeof port) != sizeof port) return 12;
  char byte = 0;
  if (read(done_pipe, &byte, 1) != 1) return 13;
  taken.clear();
  if (write(port_pipe, &byte, 1) != 1) return 14;
  if (read(done_pipe, &byte, 1) != 1) return 15;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  made.value()->stop(Duration(0));
  const auto busy = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
  return busy > 0 ? 16 : 0;  // a listener that spins burns a second here
}

struct FewDescriptors {
  int to_parent[2]{};
  int to_child[2]{};
  pid_t pid = -1;
  std::uint16_t port = 0;

  explicit FewDescriptors(bool keep_none) {
    REQUIRE(pipe2(to_parent, O_CLOEXEC) == 0);
    REQUIRE(pipe2(to_child, O_CLOEXEC) == 0);
    pid = fork();
    if (pid == 0) _exit(serve_with_few_descriptors(to_parent[1], to_child[0], keep_none));
    REQUIRE(read(to_parent[0], &port, sizeof port) == sizeof port);
  }
  /// What it has computed so far.
  [[nodiscard]] std::chrono::nanoseconds cpu_time() const {
    clockid_t clock{};
    timespec time{};
    REQUIRE(clock_getcpuclockid(pid, &clock) == 0);
    REQUIRE(clock_gettime(clock, &time) == 0);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }
  void next() { REQUIRE(write(to_child[1], "x", 1) == 1); }
  void wait_next() {
    char byte = 0;
    REQUIRE(read(to_parent[0], &byte, 1) == 1);
  }
  int finish() {
    next();
    int status = 0;
    waitpid(pid, &status, 0);
    pid = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  ~FewDescriptors() {
    if (pid > 0) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
    for (const int fd : {to_parent[0], to_parent[1], to_child[0], to_child[1]}) close(fd);
  }
};

}  // namespace

TEST_CASE("server: with 128 descriptors and 256 idle clients it still answers") {
  FewDescriptors child(false);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 256; ++i) clients.push_back(std::make_unique<RawClient>(child.port));
  for (std::size_t i = 0; i < clients.size(); i += 2) clients[i]->send("GET /heal");
  for (int i = 0; i < 5; ++i) CHECK(status_of(child.port, get_health) == 200);
  child.next();
  child.wait_next();
  CHECK(child.finish() == 0);
}

TEST_CASE("server: with no descriptor left it rests instead of spinning, and comes back") {
  FewDescriptors child(true);
  RawClient waiting(child.port);  // in the kernel's queue
  waiting.send(get_health);
  const auto before = child.cpu_time();
  CHECK(test::stays([&] { return child.cpu_time() - before < test::at_most(200ms); }, 1'200ms));
  child.next();
  child.wait_next();
  const auto answer = waiting.answer();
  REQUIRE(answer);
  CHECK(answer->status == 200);
  CHECK(child.finish() == 0);
}

TEST_CASE("server: 2,000 idle and half-sent connections cost little memory and nobody's time") {
  Served served;
  const auto resident_kib = [] {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("RssAnon:")) return std::stol(line.substr(8));
    }
    return 0L;
  };
  RawClient other(served.port());
  CHECK(other.ask(get_health)->status == 200);
  std::vector<std::unique_ptr<RawClient>> clients(2'000);
  const std::string half = "GET /health HTTP/1.1\r\nHost: a\r\nA: " + std::string(700, 'a');
  for (auto& client : clients) client = std::make_unique<RawClient>(served.port());
  REQUIRE(served.has_connections(2'001));
  const long before = resident_kib();
  for (std::size_t i = 0; i < clients.size(); i += 2) clients[i]->send(half);
  std::vector<double> took;
  for (int i = 0; i < 200; ++i) {
    const auto start = std::chrono::steady_clock::now();
    CHECK(other.ask(get_health)->status == 200);
    took.push_back(seconds_since(start));
  }
  std::sort(took.begin(), took.end());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(took[190] < 0.010);
  CHECK(resident_kib() - before < 4 * 1024);
#else
  CHECK(resident_kib() >= before);
#endif
}

TEST_CASE("server: half-sent requests together are held to a budget, the oldest go") {
  ServerLimits limits;
  limits.head_timeout = Duration(60'000);
  Served served(limits);
  const std::string half = "GET /health HTTP/1.1\r\nHost: a\r\nA: " + std::string(7'000, 'a');
  std::vector<std::unique_ptr<RawClient>> clients(600);  // 4 MB of halves
  for (auto& client : clients) {
    client = std::make_unique<RawClient>(served.port());
    client->send(half);
  }
  CHECK(test::eventually([&] { return served.server->stats().connections < 350; }));
  CHECK(clients.front()->closes());
  CHECK(clients.back()->ask("\r\n\r\n")->status == 200);
}

TEST_CASE("server: who does not read his answer is cut off, and nobody waits for him") {
  Served served;
  RawClient slow(served.port(), AF_INET, 4'096);
  std::string many;
  for (int i = 0; i < 3; ++i) many += "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
  slow.send(many);
  for (int i = 0; i < 20; ++i) CHECK(status_of(served.port(), get_health) == 200);
  // He reads on, and has all of it in order.
  for (int i = 0; i < 3; ++i) CHECK(slow.answer()->body.size() == big_size);
}

TEST_CASE("server: answers nobody takes are held to a budget") {
  Served served;
  std::vector<std::unique_ptr<RawClient>> readers;
  for (int i = 0; i < 8; ++i) {  // 64 MB of answers, less what the kernel takes
    readers.push_back(std::make_unique<RawClient>(served.port(), AF_INET, 4'096));
    readers.back()->send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  CHECK(test::eventually([&] { return served.server->stats().connections < 6; }));
  CHECK(status_of(served.port(), get_health) == 200);
}

TEST_CASE("server: slow paths wait their turn beside the loop, and too many are told so") {
  Served served;
  std::vector<std::unique_ptr<RawClient>> clients;
  const std::string request = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
  clients.push_back(std::make_unique<RawClient>(served.port()));
  clients.back()->send(request);
  REQUIRE(test::eventually([&] { return served.gate.waiting() == 1; }));
  for (std::size_t i = 0; i < http::slow_queue_max; ++i) {
    clients.push_back(std::make_unique<RawClient>(served.port()));
    clients.back()->send(request);
  }
  REQUIRE(served.has_connections(http::slow_queue_max + 1));
  CHECK(status_of(served.port(), get_health) == 200);
  RawClient turned_away(served.port());
  const auto busy = turned_away.ask(request);
  REQUIRE(busy);
  CHECK(busy->status == 503);
  CHECK(busy->header("retry-after") == "1");
  CHECK(turned_away.ask(get_health)->status == 200);
  served.gate.open();
  for (auto& client : clients) CHECK(client->answer()->body == "GET /slow loopback");
}

TEST_CASE(
    "server: a deferred answer is made on the worker, and on the loop when the queue is full") {
  Served served;
  CHECK(status_of(served.port(), get_health) == 200);
  const std::string deferred = "GET /deferred HTTP/1.1\r\nHost: a\r\n\r\n";
  RawClient client(served.port());
  CHECK(client.ask(deferred)->body == "on the worker");
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t i = 0; i <= http::slow_queue_max; ++i) {
    clients.push_back(std::make_unique<RawClient>(served.port()));
    clients.back()->send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    if (i == 0) REQUIRE(test::eventually([&] { return served.gate.waiting() == 1; }));
  }
  REQUIRE(served.has_connections(http::slow_queue_max + 2));
  CHECK(client.ask(deferred)->body == "here");
}

TEST_CASE("server: who asks again in the same words gets an answer of the same form") {
  Served served;
  for (const std::string request : {
           "GET /health?a=%2F&b HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\n\r\n",
           "HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET /fail HTTP/1.1\r\nHost: a\r\n\r\n",
           "POST /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET /throw HTTP/1.1\r\nHost: a\r\n\r\n",
           "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
           "GET /health HTTP/1.0\r\n\r\n",
           "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
           "GET /health HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n",
       }) {
    CAPTURE(request);
    std::optional<test::RawAnswer> first;
    for (int i = 0; i < 3; ++i) {
      RawClient client(served.port());
      client.send(request);
      auto answer = client.answer(request.starts_with("HEAD"));
      REQUIRE(answer);
      CHECK(answer->headers.erase("date") == 1);
      if (!first) first = answer;
      CHECK(answer->status == first->status);
      CHECK(answer->headers == first->headers);
      CHECK(answer->body == first->body);
      if (answer->header("connection") == "close") {
        CHECK(client.closes());
      } else {
        CHECK(client.ask(get_health)->body == "GET /health loopback");
      }
    }
  }
}

TEST_CASE("server: the same words are put to the handler each time, whatever it said before") {
  std::atomic<int> asked = 0;
  std::atomic<bool> defers = false;
  auto made = HttpServer::listen("127.0.0.1:0");
  REQUIRE(made.ok());
  auto& server = *made.value();
  REQUIRE_FALSE(server.start(
      [&](const HttpRequest& request) {
        HttpReply reply;
        reply.defer = defers && request.may_defer;
        if (reply.defer) return reply;
        reply.status = ++asked % 2 == 0 ? 503 : 200;
        const auto text = std::to_string(asked) + (request.may_defer ? "" : " on the worker");
        reply.body = "only without may_share";
        if (request.may_share) reply.shared = std::make_shared<const std::string>(text);
        return reply;
      },
      {}));
  RawClient client(server.port());
  CHECK(client.ask(get_health)->body == "1");
  const auto second = client.ask(get_health);
  CHECK(second->body == "2");
  CHECK(second->status == 503);
  CHECK(second->has("retry-after"));
  defers = true;
  CHECK(client.ask(get_health)->body == "3 on the worker");
  defers = false;
  const std::string get(get_health);
  client.send(get + get.substr(0, 20));
  CHECK(client.answer()->body == "4");
  client.send(get.substr(20) + get + get);
  for (const auto* body : {"5", "6", "7"}) CHECK(client.answer()->body == body);
  CHECK(server.stats().requests[{"other", 503}] == 3);
  server.stop(Duration(0));
}

TEST_CASE("server: a client that leaves while its answer is made is no trouble") {
  Served served;
  {
    RawClient client(served.port());
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(test::eventually([&] { return served.gate.waiting() == 1; }));
    const linger hard{1, 0};
    setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  CHECK(served.has_connections(0));
  RawClient next(served.port());  // takes the slot of the one that left
  CHECK(next.ask(get_health)->status == 200);
  served.gate.open();
  CHECK(next.ask("GET /slow HTTP/1.1\r\nHost: b\r\n\r\n")->body == "GET /slow loopback");
  CHECK(next.ask(get_health)->body == "GET /health loopback");
}

TEST_CASE("server: a handler that throws costs one answer") {
  Served served;
  RawClient client(served.port());
  CHECK(client.ask("GET /throw HTTP/1.1\r\nHost: a\r\n\r\n")->status == 500);
  CHECK(client.ask(get_health)->status == 200);
}

TEST_CASE("server: IPv4 and IPv6 clients reach [::], both as loopback") {
  Served served;
  for (const int family : {AF_INET, AF_INET6}) {
    RawClient client(served.port(), family);
    CHECK(client.ask(get_health)->body == "GET /health loopback");
  }
}

TEST_CASE("server: IPv4 and numeric addresses are taken, names are refused with the way out") {
  for (const auto* address : {"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "localhost:0"}) {
    CAPTURE(address);
    CHECK(HttpServer::listen(address).ok());
  }
  for (const auto* address : {"", "9100", ":9100", "example.com:9100", "[::]", "[::]:x",
                              "127.0.0.1:99999", "127.0.0.1:-1", "[127.0.0.1]:1", "::1:9100"}) {
    CAPTURE(address);
    const auto made = HttpServer::listen(address);
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().message.find("write \"[::]:9100\"") != std::string::npos);
  }
}

TEST_CASE("server: a port in use is named, with the way out") {
  auto first = HttpServer::listen("[::]:0");
  REQUIRE(first.ok());
  const auto port = std::to_string(first.value()->port());
  const auto second = HttpServer::listen("[::]:" + port);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().message ==
        "cannot listen on [::]:" + port +
            ": address already in use; another vitals or program has port " + port +
            ": stop it or set [server] listen");
  CHECK_FALSE(HttpServer::listen("127.0.0.1:" + port).ok());
}

TEST_CASE("server: whose request is there before start() has his answer when it returns") {
  auto made = HttpServer::listen("127.0.0.1:0");
  REQUIRE(made.ok());
  auto& server = *made.value();
  RawClient client(server.port());
  client.send(get_health);
  REQUIRE(test::eventually([&] {
    int on_its_way = -1;
    return ioctl(client.fd(), SIOCOUTQ, &on_its_way) == 0 && on_its_way == 0;
  }));
  REQUIRE_FALSE(server.start([](const HttpRequest&) { return HttpReply{}; }, {}));
  CHECK(server.stats().requests[{"other", 200}] == 1);
  CHECK(client.answer()->status == 200);
  CHECK(client.ask(get_health)->status == 200);
  server.stop(Duration(0));
}

TEST_CASE("server: clients that come before start() are answered after it") {
  auto made = HttpServer::listen("127.0.0.1:0");
  REQUIRE(made.ok());
  RawClient early(made.value()->port());
  early.send(get_health);
  REQUIRE_FALSE(made.value()->start([](const HttpRequest&) { return HttpReply{}; }, {}));
  CHECK(early.answer()->status == 200);
}

TEST_CASE(
    "server: stop() lets a running answer leave, closes everything, and may be called twice") {
  Served served;
  RawClient idle(served.port());
  CHECK(idle.ask(get_health)->status == 200);
  RawClient half(served.port());
  half.send("GET /he");
  RawClient waiting(served.port());
  waiting.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(test::eventually([&] { return served.gate.waiting() == 1; }));
  std::thread opener([&] {
    CHECK(idle.closes());
    CHECK(half.closes());
    served.gate.open();
  });
  const auto port = served.port();
  served.server->stop(Duration(5'000));
  opener.join();
  CHECK(waiting.answer()->body == "GET /slow loopback");
  CHECK(waiting.closes());
  CHECK_THROWS(RawClient(port));
  served.server->stop(Duration(5'000));
  CHECK(served.server->stats().connections == 0);
  CHECK(served.server->stats().requests.at({"health", 200}) == 1);
}

TEST_CASE("server: stop() waits no longer than it was told for a client that does not read") {
  Served served;
  RawClient slow(served.port(), AF_INET, 4'096);
  slow.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(test::eventually([&] { return served.server->stats().requests[{"other", 200}] == 1; }));
  const test::Stopwatch watch;
  served.server->stop(Duration(200));
  CHECK(watch.took().own() < test::at_most(2s));
}

TEST_CASE("server: answers are counted by endpoint and code, with their durations") {
  Served served;
  RawClient client(served.port());
  for (int i = 0; i < 5; ++i) CHECK(client.ask(get_health)->status == 200);
  CHECK(client.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")->status == 200);
  const auto stats = served.server->stats();
  CHECK(stats.requests.at({"health", 200}) == 5);
  CHECK(stats.requests.at({"health", 503}) == 0);
  CHECK(stats.requests.at({"other", 200}) == 1);
  CHECK(stats.durations.at("health").count() == 5);
  CHECK(stats.durations.at("health").sum > 0);
  CHECK(stats.durations.at("health").sum < 1);
  CHECK(stats.connections == 1);
}

TEST_SUITE_END();
