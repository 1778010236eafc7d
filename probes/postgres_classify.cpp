// Tables of SQLSTATEs and texts, and the reasons they stand for.
#include "probes/postgres_classify.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <vitals/text.hpp>

namespace vitals::postgres {
namespace {

struct StateRow {
  std::string_view sqlstate;
  Reason reason;
};
// Appendix A of the PostgreSQL manual; all are independent of lc_messages.
constexpr std::array state_rows{
    StateRow{"57P01", Reason::starting},   // admin_shutdown
    StateRow{"57P02", Reason::starting},   // crash_shutdown
    StateRow{"57P03", Reason::starting},   // cannot_connect_now
    StateRow{"53300", Reason::saturated},  // too_many_connections
    StateRow{"28P01", Reason::auth},       // invalid_password
    StateRow{"28000", Reason::auth},       // invalid_authorization_specification
    StateRow{"3D000", Reason::auth},       // invalid_catalog_name
    StateRow{"25006", Reason::readonly},   // read_only_sql_transaction
};

struct TextRow {
  std::string_view part;  // lower case
  Reason reason;
};
// What poolers say without a SQLSTATE of its own. PgBouncer: 08P01 for all of them up to 1.20, some
// with Postgres's own states later. Supavisor: XX000.
constexpr std::array pooler_rows{
    TextRow{"unsupported startup parameter", Reason::internal},
    TextRow{"password authentication failed", Reason::auth},
    TextRow{"authentication failed", Reason::auth},
    TextRow{"no such user", Reason::auth},
    TextRow{"no such database", Reason::auth},
    TextRow{"tenant or user not found", Reason::auth},
    TextRow{"no more connections allowed", Reason::saturated},
    TextRow{"query_wait_timeout", Reason::saturated},
    TextRow{"max clients reached", Reason::saturated},
    TextRow{"max client connections reached", Reason::saturated},
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::optional<Reason> pooler_reason(std::string_view message) {
  const auto text = to_lower(message);
  for (const auto& row : pooler_rows) {
    if (contains(text, row.part)) return row.reason;
  }
  return std::nullopt;
}

Reason reason_of(const ServerError& error) {
  for (const auto& row : state_rows) {
    if (error.sqlstate == row.sqlstate) return row.reason;
  }
  if (error.sqlstate == "08P01") return pooler_reason(error.message).value_or(Reason::pooler);
  if (error.sqlstate == "XX000") return pooler_reason(error.message).value_or(Reason::assertion);
  return Reason::assertion;
}

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string_view first_line(std::string_view text) { return trim(text.substr(0, text.find('\n'))); }

bool is_sqlstate(std::string_view text) {
  return text.size() == 5 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

/// Longer words are no severity in any language.
constexpr std::size_t severity_max = 30;

/// "SEVERITY:  SQLSTATE: message". The severity is translated by the server (lc_messages), so any
/// word will do; two blanks after it are libpq's.
std::optional<ServerError> read_server_error(std::string_view line) {
  const auto colon = line.find(":  ");
  if (colon > severity_max || contains(line.substr(0, colon), " ")) {
    return std::nullopt;
  }
  auto message = line.substr(colon + 3);
  ServerError error;
  if (message.size() >= 6 && is_sqlstate(message.substr(0, 5)) && message[5] == ':') {
    error.sqlstate = message.substr(0, 5);
    message.remove_prefix(6);
  }
  error.message = trim(message);
  return error;
}

/// libpq starts each try with `connection to server at "host", port 5432 failed: `.
constexpr std::string_view try_begin = "connection to server ";
constexpr std::string_view try_end = " failed: ";

/// The next try in the text, without that beginning; `text` moves on. Nothing when there is none.
std::optional<std::string_view> next_try(std::string_view& text) {
  const auto begin = text.find(try_begin);
  if (begin == std::string_view::npos) return std::nullopt;
  const auto said = text.find(try_end, begin);
  if (said == std::string_view::npos) return std::nullopt;
  text.remove_prefix(said + try_end.size());
  return text.substr(0, text.find(try_begin));
}

std::string_view last_try(std::string_view text) {
  std::string_view last = text;
  for (auto rest = text; const auto one = next_try(rest);) last = *one;
  return last;
}

struct ClientRow {
  std::string_view part;
  Reason reason;
  std::string_view way_out{};
};
// What libpq 17 says itself (src/interfaces/libpq, untranslated build). First match wins.
constexpr std::array client_rows{
    ClientRow{"root certificate file", Reason::internal, "point sslrootcert to a PEM file"},
    ClientRow{"could not load system root", Reason::internal, "install a CA bundle"},
    ClientRow{"certificate file \"", Reason::internal, "check sslcert"},
    ClientRow{"private key file \"", Reason::internal, "check sslkey"},
    ClientRow{"private SSL key", Reason::internal, "check sslkey"},
    ClientRow{"may not be used with", Reason::internal, "check the url's SSL parameters"},
    ClientRow{"invalid SSL protocol version range", Reason::internal, "check the url"},
    ClientRow{"no password supplied", Reason::auth, "put it into the url"},
    ClientRow{"server closed the connection unexpectedly", Reason::reset},
    ClientRow{"SSL connection has been closed unexpectedly", Reason::reset},
    ClientRow{"EOF detected", Reason::reset},
    ClientRow{"unexpected eof while reading", Reason::reset},
    ClientRow{"does not match host name", Reason::tls_verify},
    ClientRow{"could not get server's host name from server certificate", Reason::tls_verify},
    ClientRow{"certificate has expired", Reason::tls_expired},
    ClientRow{"certificate is not yet valid", Reason::tls_expired},
    ClientRow{"certificate verify failed", Reason::tls_verify},
    ClientRow{"server does not support SSL", Reason::tls},
    ClientRow{"server sent an error response during SSL exchange", Reason::protocol},
    ClientRow{"received unencrypted data after SSL response", Reason::protocol},
    ClientRow{"received invalid response to SSL negotiation: H", Reason::protocol,
              "an HTTP server answers"},
    ClientRow{"but received H", Reason::protocol, "an HTTP server answers"},
    ClientRow{"SSL negotiation", Reason::protocol},
    ClientRow{"SSL SYSCALL error", Reason::reset},
    ClientRow{"SSL error", Reason::tls},
    ClientRow{"ALPN", Reason::tls},
    ClientRow{"authentication method requirement", Reason::auth},
    ClientRow{"channel binding", Reason::auth},
    ClientRow{"SASL", Reason::auth},
    ClientRow{"SCRAM", Reason::auth},
    ClientRow{"server signature", Reason::auth},
    ClientRow{"authentication not supported", Reason::auth},
    ClientRow{"authentication method", Reason::auth},
    ClientRow{"invalid \"", Reason::internal, "check the url"},
    ClientRow{" value: \"", Reason::internal, "check the url"},
    ClientRow{"out of memory", Reason::internal},
};

// The errors of socket calls that libpq quotes by their text.
constexpr std::array socket_errors{
    ECONNREFUSED, ECONNRESET, ENETUNREACH,   EHOSTUNREACH, ETIMEDOUT, EPIPE,  ECONNABORTED,
    ENOENT,       EACCES,     EADDRNOTAVAIL, ENETDOWN,     EHOSTDOWN, EAGAIN, EPERM};

std::optional<net::Failure> classify_errno(std::string_view text, std::string_view where) {
  const auto line = first_line(text);
  if (contains(line, "file \"") || contains(line, "private"))
    return std::nullopt;  // not the socket
  for (const int error : socket_errors) {
    if (!line.ends_with(std::strerror(error))) continue;
    auto failure = net::from_errno(error, "connect to " + std::string(where));
    if (error == ENOENT || error == EAGAIN) failure.reason = Reason::refused;
    if ((error == EACCES || error == EPERM) && where.starts_with("unix:")) {
      failure.reason = Reason::internal;
      failure.detail += "; run vitals as a user that may use this socket";
    }
    if (error == EPIPE || error == ECONNABORTED) failure.reason = Reason::reset;
    return failure;
  }
  return std::nullopt;
}

}  // namespace

net::Failure classify(const ServerError& error, std::string_view database) {
  if (error.sqlstate.empty()) {
    return {Reason::protocol, "an error without SQLSTATE: " + error.message};
  }
  net::Failure failure{reason_of(error), error.sqlstate + " " + error.message};
  if (error.sqlstate == "3D000" && !contains(error.message, database)) {
    failure.detail += " (database \"" + std::string(database) + "\")";
  }
  if (failure.reason == Reason::internal) {
    failure.detail += "; take it out of the url, or let the pooler ignore it";
  }
  return failure;
}

std::optional<ServerError> server_error_of(std::string_view libpq_text) {
  std::optional<ServerError> best;
  for (auto rest = libpq_text; const auto one = next_try(rest);) {
    const auto error = read_server_error(first_line(*one));
    // Refused in plain after something else over TLS (or the other way round): that says more.
    if (error && (!best || best->sqlstate == "28000" || best->sqlstate.empty())) best = error;
  }
  return best;
}

net::Failure classify_libpq(std::string_view libpq_text, std::string_view where) {
  const auto text = last_try(libpq_text);
  if (const auto failure = classify_errno(text, where)) return *failure;
  std::string detail(first_line(text));
  for (const auto& row : client_rows) {
    if (!contains(text, row.part)) continue;
    if (!row.way_out.empty()) detail += "; " + std::string(row.way_out);
    return {row.reason, detail};
  }
  return {Reason::protocol, detail.empty() ? "not an answer of Postgres" : detail};
}

std::optional<net::Failure> wrong_role(std::string_view libpq_text) {
  const auto text = last_try(libpq_text);
  if (contains(text, "session is read-only") || contains(text, "server is in hot standby mode")) {
    return net::Failure{Reason::readonly, std::string(first_line(text))};
  }
  if (contains(text, "session is not read-only") ||
      contains(text, "server is not in hot standby mode")) {
    return net::Failure{Reason::replication, std::string(first_line(text))};
  }
  return std::nullopt;
}

}  // namespace vitals::postgres
