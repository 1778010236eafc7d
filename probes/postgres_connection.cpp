// Owns libpq: connecting without blocking, asking, cancelling.
#include "probes/postgres_connection.hpp"

#include <libpq-fe.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>

#include "probes/postgres_classify.hpp"
#include "probes/postgres_libpq.hpp"
#include "probes/tls.hpp"
#include "probes/trust_store.hpp"

namespace vitals::postgres {
namespace {

/// Everything a server may send before it is ready.
constexpr std::size_t login_bytes_max = 1024 * 1024;

void ignore_notice(void*, const PGresult*) {}

void keep_last_words(void* place, const PGresult* notice) {
  const char* sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
  // Class 57: operator intervention.
  if (sqlstate == nullptr || message == nullptr || std::strncmp(sqlstate, "57P", 3) != 0) return;
  *static_cast<LastWords*>(place) = {sqlstate, message};
}

struct FinishCancel {
  void operator()(PGcancelConn* cancel) const { PQcancelFinish(cancel); }
};

Problem problem(net::Failure failure) {
  Problem result;
  result.failure = std::move(failure);
  return result;
}

Problem interrupted() {
  auto result = problem(net::interrupted());
  result.interrupted = true;
  return result;
}

short events_of(PostgresPollingStatusType wanted) {
  return wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT;
}

/// How many bytes wait in the socket; what libpq is about to put into memory.
std::size_t waiting_bytes(int fd) {
  int count = 0;
  return ioctl(fd, FIONREAD, &count) == 0 && count > 0 ? static_cast<std::size_t>(count) : 0;
}

/// What libpq reads as an ErrorResponse of protocol 3 has such a length (fe-connect.c, MAX_ERRLEN).
constexpr std::uint32_t error_length_min = 8;
constexpr std::uint32_t error_length_max = 30'000;

/// Any other one is for libpq the text of protocol 2, for whose end it waits as long as the server
/// holds the line.
bool is_impossible_error(int fd) {
  std::array<unsigned char, 5> head{};
  const auto count = recv(fd, head.data(), head.size(), MSG_PEEK | MSG_DONTWAIT);
  if (count != static_cast<ssize_t>(head.size()) || head[0] != 'E') return false;
  std::uint32_t length = 0;
  for (std::size_t i = 1; i < head.size(); ++i) length = length << 8U | head[i];
  return length < error_length_min || length > error_length_max;
}

/// How far an attempt got: of several failures the one that got furthest says most.
int progress(Reason reason) {
  switch (reason) {
    case Reason::dns:
      return 0;
    case Reason::unreachable:  // what every IPv6 address is without IPv6
      return 1;
    case Reason::connect_timeout:
      return 2;
    case Reason::refused:
      return 3;
    case Reason::reset:
    case Reason::timeout:
      return 4;
    case Reason::starting:
    case Reason::readonly:
    case Reason::replication:
      return 5;
    case Reason::none:
    case Reason::tls:
    case Reason::tls_verify:
    case Reason::tls_expired:
    case Reason::auth:
    case Reason::protocol:
    case Reason::status:
    case Reason::redirect:
    case Reason::assertion:
    case Reason::too_large:
    case Reason::slow:
    case Reason::saturated:
    case Reason::loading:
    case Reason::pooler:
    case Reason::stale:
    case Reason::exited:
    case Reason::cert_expiring:
    case Reason::low_space:
    case Reason::internal:
      return 6;
  }
  VITALS_ASSERT(false);
  return 6;
}

/// libpq goes on to the next host after these, and not after a refused login.
bool may_try_next(const Problem& failed) {
  return !failed.interrupted && progress(failed.failure.reason) <= 5;
}

void keep_more_telling(std::optional<Problem>& kept, Problem next) {
  if (!kept || progress(next.failure.reason) > progress(kept->failure.reason))
    kept = std::move(next);
}

/// An empty variable is one that is not set.
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

/// For sslrootcert=system: a file, because an image with nothing but a bundle in it has no hashed
/// folder for OpenSSL's default; "system" when the user chose a folder; empty when there is none.
std::string system_trust() {
  auto file = variable("SSL_CERT_FILE");
  if (!file.empty()) return file;
  return variable("SSL_CERT_DIR").empty() ? tls::system_bundle() : "system";
}

/// Keyword and value lists as libpq takes them; owns the text.
class Keywords {
 public:
  void add(const char* keyword, std::string value) {
    names_.emplace_back(keyword);
    values_.push_back(std::move(value));
  }
  [[nodiscard]] pg_conn* start() const {
    std::vector<const char*> names;
    std::vector<const char*> values;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      names.push_back(names_[i].c_str());
      values.push_back(values_[i].c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    return PQconnectStartParams(names.data(), values.data(), 0);
  }

 private:
  std::vector<std::string> names_;
  std::vector<std::string> values_;
};

}  // namespace

/// The way to one server: its addresses race, the winner logs in.
class Login {
 public:
  Login(const Target& target, const Server& server, SessionAttrs attrs, const Deadline& deadline,
        PhaseTimes& phases)
      : target_(target),
        server_(server),
        attrs_(attrs),
        deadline_(deadline),
        phases_(phases),
        where_(server.endpoint().text()) {}

  Result<Connection, Problem> run() {
    if (const auto failed = find_addresses()) return problem(*failed);
    forget_verify_result();
    const auto begin = Clock::now();
    auto winner = race();
    connected_ = Clock::now();
    phases_.set(Phase::connect, connected_ - begin);
    if (!winner) return winner.error();
    return log_in(std::move(winner).value());
  }

 private:
  using Handle = Connection::Handle;
  struct Runner {
    Handle handle;
    PostgresPollingStatusType wants = PGRES_POLLING_WRITING;
    std::string where;
  };

  std::optional<net::Failure> find_addresses() {
    if (server_.is_unix()) {
      addresses_.emplace_back();
      return std::nullopt;
    }
    const auto begin = Clock::now();
    auto found = net::resolve(server_.endpoint(), net::IpFamily::any, deadline_);
    phases_.set(Phase::resolve, Clock::now() - begin);
    if (!found) return found.error();
    addresses_ = std::move(found).value();
    return std::nullopt;
  }

  std::optional<Problem> add_keywords(Keywords& keywords, const net::Address& address) const {
    keywords.add("host", server_.host);
    if (!server_.is_unix()) keywords.add("hostaddr", address.host_text());
    keywords.add("port", std::to_string(server_.port));
    keywords.add("user", target_.user);
    if (!target_.password.empty()) keywords.add("password", target_.password);
    keywords.add("dbname", target_.database);
    keywords.add("application_name", "vitals");
    keywords.add("target_session_attrs", std::string(to_keyword(attrs_)));
    for (const auto& [key, value] : target_.keywords) {
      if (key != "sslrootcert" || value != "system") {
        keywords.add(key.c_str(), value);
        continue;
      }
      const auto trust = system_trust();
      if (trust.empty()) {
        return problem({Reason::internal,
                        "no CA bundle on this system; install ca-certificates or set sslrootcert"});
      }
      keywords.add("sslrootcert", trust);
    }
    return std::nullopt;
  }

  /// Only the connection that is through first goes on; the others never send a byte.
  Result<Handle, Problem> race() {
    delay_ = net::connection_attempt_delay(addresses_.size(), deadline_.remaining());
    while (true) {
      if (const auto failed = start_due()) return *failed;
      if (winner_) return std::move(winner_);
      if (runners_.empty() && next_ == addresses_.size()) return *worst_;
      if (const auto failed = wait_for_runners()) return *failed;
      if (winner_) return std::move(winner_);
    }
  }

  std::optional<Problem> start_due() {
    while (!winner_ && next_ < addresses_.size() &&
           (runners_.empty() || Clock::now() >= next_start_)) {
      const auto& address = addresses_[next_++];
      next_start_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(delay_);
      Keywords keywords;
      if (auto failed = add_keywords(keywords, address)) return failed;
      Runner runner{Handle(keywords.start()), PGRES_POLLING_WRITING,
                    server_.is_unix() ? where_ : address.text()};
      if (!runner.handle) return problem({Reason::internal, "out of memory"});
      // The one way to learn the SQLSTATE of a refused login is the text with it in.
      PQsetErrorVerbosity(runner.handle.get(), PQERRORS_VERBOSE);
      PQsetNoticeReceiver(runner.handle.get(), ignore_notice, nullptr);
      advance(std::move(runner), false);
    }
    return std::nullopt;
  }

  /// Polls once more when the socket is ready, and sorts the runner into its place.
  void advance(Runner runner, bool ready) {
    if (ready) runner.wants = PQconnectPoll(runner.handle.get());
    const auto status = PQstatus(runner.handle.get());
    if (status == CONNECTION_BAD) {
      keep_more_telling(worst_, failure_of(runner.handle.get(), runner.where));
      next_start_ = Clock::now();
    } else if (status == CONNECTION_STARTED) {
      runners_.push_back(std::move(runner));
    } else if (!winner_) {
      winner_ = std::move(runner.handle);
      wants_ = runner.wants;
      where_ = runner.where;
    }
  }

  std::optional<Problem> wait_for_runners() {
    std::vector<pollfd> polled;
    for (const auto& runner : runners_) {
      polled.push_back({PQsocket(runner.handle.get()), POLLOUT, 0});
    }
    polled.push_back({deadline_.interrupt_fd(), POLLIN, 0});
    auto until = deadline_;
    if (next_ < addresses_.size()) {
      until = Deadline(std::min(deadline_.end(), next_start_), deadline_.interrupt_fd());
    }
    const int ready = poll(polled.data(), polled.size(), until.remaining_ms());
    if (ready < 0 && errno != EINTR) return problem(net::from_errno(errno, "poll"));
    if (polled.back().revents != 0) return interrupted();
    auto runners = std::exchange(runners_, {});
    for (std::size_t i = 0; i < runners.size(); ++i) {
      const bool is_ready = ready > 0 && polled[i].revents != 0;
      if (is_ready && winner_) continue;
      advance(std::move(runners[i]), is_ready);
    }
    if (!winner_ && !runners_.empty() && deadline_.expired()) {
      keep_more_telling(worst_, problem({Reason::connect_timeout,
                                         "connect to " + runners_.front().where + ": no answer"}));
      return worst_;
    }
    return std::nullopt;
  }

  Result<Connection, Problem> log_in(Handle handle) {
    pg_conn* connection = handle.get();
    std::size_t bytes = 0;
    while (wants_ != PGRES_POLLING_OK) {
      if (wants_ == PGRES_POLLING_FAILED) return failure_of(connection, where_);
      const int fd = PQsocket(connection);
      switch (net::wait_for(fd, events_of(wants_), deadline_)) {
        case net::Wait::ready:
          break;
        case net::Wait::timeout:
          return unanswered();
        case net::Wait::interrupted:
          return interrupted();
      }
      bytes += waiting_bytes(fd);
      if (bytes > login_bytes_max) return problem({Reason::protocol, "an endless login"});
      note_first_answer(connection);
      wants_ = PQconnectPoll(connection);
      note_progress(connection);
    }
    phases_.set(Phase::auth, Clock::now() - secured_.value_or(connected_));
    return Connection(std::move(handle), target_.database);
  }

  /// Of the startup message; what comes encrypted is not looked at.
  void note_first_answer(pg_conn* connection) {
    const bool awaited = PQstatus(connection) == CONNECTION_AWAITING_RESPONSE;
    if (malformed_ || !awaited || PQsslInUse(connection) != 0) return;
    malformed_ = is_impossible_error(PQsocket(connection));
  }

  [[nodiscard]] Problem unanswered() const {
    if (malformed_ == true) {
      return problem({Reason::protocol,
                      where_ + " begins an error of an impossible length, and does not end it"});
    }
    return problem({Reason::timeout, where_ + " accepts connections but does not answer"});
  }

  void note_progress(pg_conn* connection) {
    const auto status = PQstatus(connection);
    const bool past_tls = status != CONNECTION_STARTED && status != CONNECTION_MADE &&
                          status != CONNECTION_SSL_STARTUP && status != CONNECTION_BAD;
    if (past_tls && !secured_ && PQsslInUse(connection) != 0) {
      secured_ = Clock::now();
      phases_.set(Phase::tls, *secured_ - connected_);
    }
  }

  [[nodiscard]] Problem failure_of(pg_conn* connection, const std::string& where) const {
    const std::string text = PQerrorMessage(connection);
    if (const auto error = server_error_of(text)) {
      auto result = problem(classify(*error, target_.database));
      result.sqlstate = error->sqlstate;
      return result;
    }
    if (const auto failure = wrong_role(text)) return problem(*failure);
    const long verified = last_verify_result();
    if (verified != X509_V_OK && text.find("certificate verify failed") != std::string::npos) {
      return problem(tls::refused_certificate(
          {.verify_result = verified, .host = server_.host, .trust_setting = "sslrootcert"}));
    }
    return problem(classify_libpq(text, where));
  }

  const Target& target_;
  const Server& server_;
  SessionAttrs attrs_;
  Deadline deadline_;
  PhaseTimes& phases_;
  std::string where_;

  std::vector<net::Address> addresses_;
  std::size_t next_ = 0;
  Elapsed delay_{};
  TimePoint next_start_{};
  std::vector<Runner> runners_;
  std::optional<Problem> worst_;

  Handle winner_;
  PostgresPollingStatusType wants_ = PGRES_POLLING_WRITING;
  TimePoint connected_{};
  std::optional<TimePoint> secured_;
  std::optional<bool> malformed_;  // the first answer; nothing: none came yet
};

// ---- replies ------------------------------------------------------------------------------------

void FreeResult::operator()(pg_result* result) const { PQclear(result); }

int Reply::rows() const { return PQntuples(result_.get()); }

std::optional<std::string_view> Reply::text(int row, int column) const {
  const auto* result = result_.get();
  if (row >= PQntuples(result) || column >= PQnfields(result)) return std::nullopt;
  if (PQgetisnull(result, row, column) != 0) return std::nullopt;
  return std::string_view(PQgetvalue(result, row, column),
                          static_cast<std::size_t>(PQgetlength(result, row, column)));
}

std::optional<double> Reply::number(int row, int column) const {
  const auto value = text(row, column);
  if (!value) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc() || end != value->data() + value->size()) return std::nullopt;
  return number;
}

// ---- connection ---------------------------------------------------------------------------------

Connection::Connection(Handle handle, std::string database)
    : last_words_(std::make_unique<LastWords>()),
      handle_(std::move(handle)),
      database_(std::move(database)) {
  PQsetnonblocking(handle_.get(), 1);
  PQsetNoticeReceiver(handle_.get(), keep_last_words, last_words_.get());
}

void Connection::Close::operator()(pg_conn* connection) const { PQfinish(connection); }

Result<Connection, Problem> Connection::open(const Target& target, const Deadline& deadline,
                                             PhaseTimes& phases) {
  std::vector<const Server*> servers;
  for (const auto& server : target.servers) servers.push_back(&server);
  if (target.shuffle) {
    std::shuffle(servers.begin(), servers.end(), std::minstd_rand(std::random_device{}()));
  }
  // prefer-standby: a standby first, then whoever answers.
  std::vector<SessionAttrs> passes{target.attrs};
  if (target.attrs == SessionAttrs::prefer_standby) passes.push_back(SessionAttrs::any);
  auto left = static_cast<Elapsed::rep>(passes.size() * servers.size());
  std::optional<Problem> worst;
  for (const auto attrs : passes) {
    for (const auto* server : servers) {
      const auto share = std::chrono::duration_cast<Duration>(deadline.remaining() / left);
      const auto limit = left == 1 ? deadline : deadline.at_most(share);
      --left;
      auto connection = Login(target, *server, attrs, limit, phases).run();
      if (connection) return connection;
      Problem failed = connection.error();
      if (!may_try_next(failed)) return failed;
      if (servers.size() > 1)
        failed.failure.detail = server->endpoint().text() + ": " + failed.failure.detail;
      keep_more_telling(worst, std::move(failed));
    }
  }
  VITALS_ASSERT(worst.has_value());
  return *worst;
}

Answer Connection::ask(const std::string& sql, const Deadline& deadline, Overdue overdue) {
  const auto reserve = std::min<Elapsed>(cancel_reserve, deadline.remaining() / 10);
  auto answer =
      talk(sql, Deadline(deadline.end() - std::chrono::duration_cast<Clock::duration>(reserve),
                         deadline.interrupt_fd()));
  if (!answer.problem || answer.problem->interrupted) return answer;
  if (answer.problem->failure.reason == Reason::timeout && answer.problem->broken) {
    if (overdue == Overdue::cancel) {
      cancel(Deadline(deadline.end() + cancel_overtime, deadline.interrupt_fd()));
    }
    return answer;
  }
  const auto state = PQtransactionStatus(handle_.get());
  if (!answer.problem->broken && state != PQTRANS_IDLE) {
    // Leaving it to the next question would hold a pool's server, and its locks, until then.
    answer.problem->broken = talk("ROLLBACK", deadline).problem.has_value();
  }
  return answer;
}

Answer Connection::talk(const std::string& sql, const Deadline& deadline) {
  Answer answer;
  if (PQsendQuery(handle_.get(), sql.c_str()) == 0) {
    answer.problem = lost();
    return answer;
  }
  read_results(answer, deadline);
  return answer;
}

void Connection::read_results(Answer& answer, const Deadline& deadline) {
  std::size_t bytes = 0;
  if (auto failed = flush(bytes, deadline)) {
    answer.problem = std::move(failed);
    return;
  }
  while (true) {
    if (auto failed = wait_for_result(bytes, deadline)) {
      answer.problem = std::move(failed);
      return;
    }
    std::unique_ptr<pg_result, FreeResult> result(PQgetResult(handle_.get()));
    if (!result) break;
    switch (PQresultStatus(result.get())) {
      case PGRES_EMPTY_QUERY:
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
        if (!answer.problem) answer.replies.emplace_back(result.release());
        break;
      case PGRES_BAD_RESPONSE:
      case PGRES_NONFATAL_ERROR:
      case PGRES_FATAL_ERROR:
        if (!answer.problem) answer.problem = problem_of(result.get());
        break;
      case PGRES_COPY_OUT:
      case PGRES_COPY_IN:
      case PGRES_COPY_BOTH:
      case PGRES_SINGLE_TUPLE:
      case PGRES_PIPELINE_SYNC:
      case PGRES_PIPELINE_ABORTED:
      case PGRES_TUPLES_CHUNK:
        answer.problem = problem({Reason::assertion, "the query is a COPY; write a SELECT"});
        return;
    }
  }
  if (answer.problem && PQstatus(handle_.get()) == CONNECTION_BAD) answer.problem->broken = true;
}

std::optional<Problem> Connection::flush(std::size_t& bytes, const Deadline& deadline) {
  while (true) {
    const int left = PQflush(handle_.get());
    if (left == 0) return std::nullopt;
    if (left < 0) return lost();
    const int fd = PQsocket(handle_.get());
    switch (net::wait_for(fd, POLLIN | POLLOUT, deadline)) {
      case net::Wait::ready:
        break;
      case net::Wait::timeout:
        return problem({Reason::timeout, "the server does not take the query"});
      case net::Wait::interrupted:
        return interrupted();
    }
    bytes += waiting_bytes(fd);
    if (PQconsumeInput(handle_.get()) == 0) return lost();
  }
}

std::optional<Problem> Connection::wait_for_result(std::size_t& bytes, const Deadline& deadline) {
  while (PQisBusy(handle_.get()) != 0) {
    const int fd = PQsocket(handle_.get());
    switch (net::wait_for(fd, POLLIN, deadline)) {
      case net::Wait::ready:
        break;
      case net::Wait::timeout:
        return problem({Reason::timeout, "no answer to the query"});
      case net::Wait::interrupted:
        return interrupted();
    }
    bytes += waiting_bytes(fd);
    if (bytes > answer_bytes_max) {
      return problem({Reason::too_large, "the query's answer is larger than 256 KiB"});
    }
    // On failure libpq makes a result of it, after those that came before.
    if (PQconsumeInput(handle_.get()) == 0 && PQisBusy(handle_.get()) != 0) return lost();
  }
  return std::nullopt;
}

Problem Connection::problem_of(const pg_result* result) const {
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (message == nullptr && sqlstate == nullptr) return lost();
  const ServerError error{sqlstate != nullptr ? sqlstate : "", message != nullptr ? message : ""};
  auto said = problem(classify(error, database_));
  said.sqlstate = error.sqlstate;
  // Before 9.6 the severity comes translated only; the state of the connection tells then.
  const bool fatal = severity != nullptr && std::strcmp(severity, "ERROR") != 0;
  said.broken = fatal || error.sqlstate.empty() || PQstatus(handle_.get()) == CONNECTION_BAD;
  return said;
}

Problem Connection::lost() const {
  if (!last_words_->sqlstate.empty()) {
    auto said = problem(classify({last_words_->sqlstate, last_words_->message}, database_));
    said.sqlstate = last_words_->sqlstate;
    return said;
  }
  return problem(classify_libpq(PQerrorMessage(handle_.get()), "the server"));
}

void Connection::cancel(const Deadline& deadline) const {
  const std::unique_ptr<PGcancelConn, FinishCancel> request(PQcancelCreate(handle_.get()));
  if (!request || PQcancelStart(request.get()) == 0) return;
  auto wants = PGRES_POLLING_WRITING;
  while (wants == PGRES_POLLING_WRITING || wants == PGRES_POLLING_READING) {
    const int fd = PQcancelSocket(request.get());
    if (net::wait_for(fd, events_of(wants), deadline) != net::Wait::ready) return;
    wants = PQcancelPoll(request.get());
  }
}

std::string_view Connection::server_version() const {
  const char* version = PQparameterStatus(handle_.get(), "server_version");
  return version != nullptr ? version : "";
}

int Connection::announced_pid() const { return PQbackendPID(handle_.get()); }

}  // namespace vitals::postgres
