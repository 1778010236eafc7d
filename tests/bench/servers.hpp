// The real servers that checks ask in a benchmark: nginx, Postgres and Redis on loopback.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/certificates.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/process.hpp"
#include "tests/support/redis_server.hpp"

namespace vitals::bench {

/// Paths below this one are written down with the moment they were asked for.
inline constexpr const char* noted_path = "/noted/";

/// Answers 200 to every path, over HTTP and, with a certificate of its own CA, over HTTPS.
class Nginx {
 public:
  Nginx();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::uint16_t tls_port() const { return tls_port_; }
  [[nodiscard]] std::string url(const std::string& path) const;
  /// For "localhost".
  [[nodiscard]] std::string https_url(const std::string& path) const;
  [[nodiscard]] std::string ca_file() const { return authority_.ca_file().string(); }

  /// Connections accepted so far, by its own count; the one that asks is not in it.
  [[nodiscard]] double accepted();

  struct Note {
    double seconds = 0;  // wall clock, to the millisecond
    std::string path;
  };
  /// Requests for noted paths since it started, in the order of their answers.
  [[nodiscard]] std::vector<Note> notes() const;

 private:
  [[nodiscard]] std::string config();

  test::TempDir folder_;
  test::Authority authority_;
  std::uint16_t port_;
  std::uint16_t tls_port_;
  double asked_ = 0;  // by accepted() itself
  test::Process process_;
};

/// Each is started when a benchmark asks for it first, and lives to the end of the run.
class Servers {
 public:
  Nginx& nginx();
  test::PostgresServer& postgres();
  test::RedisServer& redis();

  /// The setup of the goals: 4 http, 2 tcp, 2 postgres, 2 redis, every 10 s.
  [[nodiscard]] std::string ten_checks();

 private:
  std::unique_ptr<Nginx> nginx_;
  std::unique_ptr<test::PostgresServer> postgres_;
  std::unique_ptr<test::RedisServer> redis_;
};

}  // namespace vitals::bench
