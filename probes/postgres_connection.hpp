// One connection to Postgres, every wait of it under a deadline. libpq's types appear by their
// forward declarations only.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/probe.hpp>
#include <vitals/result.hpp>

#include "probes/net.hpp"
#include "probes/postgres_url.hpp"

struct pg_conn;
struct pg_result;

namespace vitals::postgres {

/// An answer larger than this ends the question (too_large).
inline constexpr std::size_t answer_bytes_max = 256 * 1024;

/// Why a step failed.
struct Problem {
  net::Failure failure;
  std::string sqlstate;  // empty: no server said one
  /// The connection is of no use any more (FATAL, closed, garbage, timeout).
  bool broken = true;
  bool interrupted = false;
};

/// What a server said beside its answers that tells why it is about to go: a crash is announced by
/// a WARNING, and then the connection ends.
struct LastWords {
  std::string sqlstate;
  std::string message;
};

struct FreeResult {
  void operator()(pg_result* result) const;
};

/// What one statement returned.
class Reply {
 public:
  explicit Reply(pg_result* result) : result_(result) {}
  [[nodiscard]] int rows() const;
  /// Nothing for NULL and for what is not there. Valid as long as the reply.
  [[nodiscard]] std::optional<std::string_view> text(int row, int column) const;
  /// Nothing when it is no number.
  [[nodiscard]] std::optional<double> number(int row, int column) const;

 private:
  std::unique_ptr<pg_result, FreeResult> result_;
};

/// Replies of the statements that succeeded, in order, up to the first that did not.
struct Answer {
  std::vector<Reply> replies;
  std::optional<Problem> problem;
};

/// What is done about a question that has no answer shortly before its deadline.
enum class Overdue {
  cancel,  // a cancel request goes to the server
  leave,   // nothing: the caller closes the connection
};

/// True of a process id that no server process has, so that a pooler must have made it up:
/// PgBouncer's are 32 random bits, of which one in a thousand passes for real. Linux counts up to
/// 2^22 (proc_sys_kernel(5), pid_max), the BSDs up to 99999.
[[nodiscard]] constexpr bool is_made_up(int announced_pid) {
  constexpr int pid_max = 1 << 22;
  return announced_pid <= 0 || announced_pid > pid_max;
}

/// A login that succeeded. Not thread-safe. Closing never blocks.
class Connection {
 public:
  /// Tries the servers of `target` in order, all within `deadline`: of several each gets a fair
  /// share of the time, the addresses of one name race (RFC 8305) and only the winner logs in.
  /// Startup parameters are user, database, application_name, and options when the URL has them.
  /// Nothing is read from the environment, ~/.pgpass or service files.
  [[nodiscard]] static Result<Connection, Problem> open(const Target& target,
                                                        const Deadline& deadline,
                                                        PhaseTimes& phases);

  /// Simple query protocol; `sql` may hold several statements. When no answer came shortly before
  /// the deadline: what `overdue` says, and a problem with reason timeout; free again at most
  /// `cancel_overtime` after the deadline. A transaction that an error left open is rolled back, or
  /// the connection is broken.
  [[nodiscard]] Answer ask(const std::string& sql, const Deadline& deadline, Overdue overdue);

  /// As the server told at login: "15.6 (Debian …)"; may be empty.
  [[nodiscard]] std::string_view server_version() const;
  /// The process id announced at login; a pooler invents one.
  [[nodiscard]] int announced_pid() const;

 private:
  struct Close {
    void operator()(pg_conn* connection) const;
  };
  using Handle = std::unique_ptr<pg_conn, Close>;
  friend class Login;

  Connection(Handle handle, std::string database);

  [[nodiscard]] Answer talk(const std::string& sql, const Deadline& deadline);
  void read_results(Answer& answer, const Deadline& deadline);
  [[nodiscard]] std::optional<Problem> wait_for_result(std::size_t& bytes,
                                                       const Deadline& deadline);
  [[nodiscard]] std::optional<Problem> flush(std::size_t& bytes, const Deadline& deadline);
  [[nodiscard]] Problem problem_of(const pg_result* result) const;
  [[nodiscard]] Problem lost() const;
  void cancel(const Deadline& deadline) const;

  std::unique_ptr<LastWords> last_words_;  // libpq has a pointer to it
  Handle handle_;
  std::string database_;
};

/// A question ends this long before its deadline, so that a cancel request can still be sent…
inline constexpr Duration cancel_reserve{15};
/// …and the thread is free at most this long after it.
inline constexpr Duration cancel_overtime{25};
/// The server is told to stop by itself this long before the deadline.
inline constexpr Duration server_reserve{35};

}  // namespace vitals::postgres
