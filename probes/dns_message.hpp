// DNS messages (RFC 1035 §4): the one question a check asks, and what an answer to it says; pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/result.hpp>

namespace vitals::dns {

enum class Type : std::uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  mx = 15,
  txt = 16,
  aaaa = 28,
  srv = 33,
};
/// "A", "AAAA", …; nothing for any other word.
[[nodiscard]] std::optional<Type> type_of(std::string_view word);
[[nodiscard]] std::string_view to_text(Type type);

inline constexpr std::size_t message_max = 65'535;
/// Aliases that are followed before the chain counts as endless.
inline constexpr int cname_chain_max = 16;

struct Question {
  std::string name;  // as written; a final dot is fine, "." is the root
  Type type = Type::a;
};

/// The name in the form of the wire; the error says what is wrong with it.
[[nodiscard]] Result<std::string> encode_name(std::string_view name);

/// A query with that id which asks for recursion. The name must be one that encode_name() takes.
[[nodiscard]] std::string encode_query(std::uint16_t id, const Question& question);

/// Numbers of RFC 1035 §4.1.1; others are shown by number.
inline constexpr int rcode_ok = 0;
inline constexpr int rcode_nxdomain = 3;
[[nodiscard]] std::string rcode_text(int rcode);  // "SERVFAIL", "rcode 23"

/// What an answer says.
struct Answer {
  int rcode = rcode_ok;
  bool truncated = false;  // ask again over TCP; records may be missing
  /// Of the type asked for, at the end of the aliases, in the order they came. A and AAAA are
  /// numeric addresses, names are in lower case without the final dot, MX "10 mail.example",
  /// SRV "priority weight port target", TXT its strings joined, any bytes.
  std::vector<std::string> records;
  /// The last name of the aliases when there are any.
  std::string alias;
  /// The aliases are a circle, or more than cname_chain_max.
  bool endless_alias = false;
};

/// stranger: not an answer to this query (other id or question, no answer at all): wait on.
/// malformed: it belongs to our query and can't be read.
enum class NoAnswer { stranger, malformed };

[[nodiscard]] Result<Answer, NoAnswer> decode_answer(std::string_view message, std::uint16_t id,
                                                     const Question& question);

}  // namespace vitals::dns
