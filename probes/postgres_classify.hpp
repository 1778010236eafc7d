// From what Postgres, a pooler or libpq says to a reason of the contract (§7): pure text, no I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "probes/net.hpp"

namespace vitals::postgres {

/// An ErrorResponse of a server or pooler.
struct ServerError {
  std::string sqlstate;  // five characters; empty: the server gave none
  std::string message;
};

/// The outcome of an error that a server sent: every row of contract §7 that has a SQLSTATE. The
/// detail is "SQLSTATE message". `database` is named when the server does not know it.
/// 57014 is read as somebody else's cancel: whoever set the limit knows whether it was ours.
[[nodiscard]] net::Failure classify(const ServerError& error, std::string_view database);

/// The server's error inside the text that libpq keeps of a failed connection (verbosity VERBOSE,
/// the one way to learn the SQLSTATE of a refused login). Nothing when libpq itself is the author.
/// With several tries in one text (sslmode=prefer) the one that says most.
[[nodiscard]] std::optional<ServerError> server_error_of(std::string_view libpq_text);

/// The outcome of what libpq 17 says by itself: closed connections, TLS, malformed answers,
/// settings that cannot work. `where` is the address for the detail.
[[nodiscard]] net::Failure classify_libpq(std::string_view libpq_text, std::string_view where);

/// libpq's words for a server of the wrong role (target_session_attrs); nothing for other texts.
[[nodiscard]] std::optional<net::Failure> wrong_role(std::string_view libpq_text);

}  // namespace vitals::postgres
