// A real redis-server in a folder of its own, in whatever state a test wants it.
#include "tests/support/redis_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace vitals::test {

RedisServer::RedisServer(RedisOptions options)
    : options_(std::move(options)), data_(folder_.path() / "data"), port_(free_port()) {
  std::filesystem::create_directory(data_);
  if (!options_.data.empty()) {
    std::filesystem::copy_file(options_.data / "dump.rdb", data_ / "dump.rdb");
  }
  start();
}

void RedisServer::start() {
  const std::string port = std::to_string(port_);
  std::vector<std::string> argv{"redis-server",    "--bind",       "127.0.0.1",
                                "--dir",           data_.string(), "--unixsocket",
                                socket().string(), "--save",       ""};
  std::vector<std::string> listen{"--port", port};
  if (options_.certificate) {
    listen = {"--port",
              "0",
              "--tls-port",
              port,
              "--tls-auth-clients",
              "no",
              "--tls-cert-file",
              options_.certificate->certificate.string(),
              "--tls-key-file",
              options_.certificate->key.string(),
              "--tls-ca-cert-file",
              options_.certificate->certificate.string()};
  }
  argv.insert(argv.end(), listen.begin(), listen.end());
  if (!options_.password.empty()) {
    argv.insert(argv.end(), {"--requirepass", options_.password});
  }
  argv.insert(argv.end(), options_.arguments.begin(), options_.arguments.end());
  process_ = std::make_unique<Process>(vitals::test::Command{.argv = argv});
  const bool up = eventually([this] {
    if (options_.may_be_unwell) return accepts_tcp(port_) || !process_->running();
    return command({"PING"}) == "PONG" || !process_->running();
  });
  if (!up || !process_->running()) {
    throw std::runtime_error("redis-server did not come up: " + process_->output());
  }
}

std::string RedisServer::url() const {
  return (options_.certificate ? "rediss://localhost:" : "redis://127.0.0.1:") +
         std::to_string(port_);
}

Command RedisServer::client(const std::vector<std::string>& words) const {
  Command client{.argv = {"redis-cli", "-s", socket().string(), "--raw"}};
  if (!options_.password.empty()) {
    client.environment["REDISCLI_AUTH"] = options_.password;
  }
  client.argv.insert(client.argv.end(), words.begin(), words.end());
  return client;
}

std::string RedisServer::command(const std::vector<std::string>& words) const {
  std::string output = run(client(words)).output;
  while (output.ends_with('\n')) output.pop_back();
  return output;
}

Process RedisServer::background(const std::vector<std::string>& words) const {
  return Process(client(words));
}

std::string RedisServer::info(const std::string& field) const {
  const std::string text = "\n" + command({"INFO", "all"});
  const auto at = text.find("\n" + field + ":");
  if (at == std::string::npos) return {};
  const auto begin = at + field.size() + 2;
  return text.substr(begin, text.find_first_of("\r\n", begin) - begin);
}

int RedisServer::calls(const std::string& name) const {
  const std::string stats = info("cmdstat_" + name);  // "calls=5,usec=…"
  return stats.starts_with("calls=") ? std::atoi(stats.c_str() + 6) : 0;
}

Fd hold_connection(std::uint16_t port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(fd.get(), generic, sizeof address) != 0) return {};
  return fd;
}

}  // namespace vitals::test
