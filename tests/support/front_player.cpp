// Plays a client through a conversation, and the corpus of requests that must never get through.
#include "tests/support/front_player.hpp"

#include <algorithm>

namespace vitals::test {
namespace {

using front::Conversation;
using front::Step;

/// The app answers as soon as it has a whole request; false when its answer is refused.
void answer(Conversation& talk, std::string_view bytes, Played& played) {
  played.requests.emplace_back();
  while (!bytes.empty() && played.refused.empty()) {
    const Step step = talk.from_app(bytes);
    if (step.act != Step::Act::forward) played.refused = "app: " + std::string(step.why);
    bytes.remove_prefix(step.size);
  }
}

/// False: bytes are missing, or it is over.
bool take(Conversation& talk, Played& played, std::string_view answer_bytes) {
  if (played.left.empty() || !played.refused.empty()) return false;
  const bool was_tunnel = talk.tunnel();
  const Step step = talk.from_client(played.left);
  switch (step.act) {
    case Step::Act::wait:
      return false;
    case Step::Act::forward:
      if (played.requests.empty()) played.requests.emplace_back();
      played.requests.back() += played.left.substr(0, step.size);
      played.forwarded += played.left.substr(0, step.size);
      break;
    case Step::Act::ask:
      ++played.asked;
      break;
    case Step::Act::drop:
      break;
    case Step::Act::refuse:
      played.refused = step.why;
      return false;
  }
  played.left.erase(0, step.size);
  if (!was_tunnel && !talk.tunnel() && !talk.wants_client()) answer(talk, answer_bytes, played);
  return true;
}

std::string get(std::string_view lines, std::string_view body = {}) {
  return "POST /a HTTP/1.1\r\nHost: x\r\n" + std::string(lines) + "\r\n" + std::string(body);
}

std::string chunked(std::string_view body) { return get("Transfer-Encoding: chunked\r\n", body); }

}  // namespace

Played play(std::string_view client, std::size_t piece, std::string_view answer_bytes) {
  Conversation talk;
  Played played;
  while (!client.empty()) {
    const auto size = std::min(piece, client.size());
    played.left += client.substr(0, size);
    client.remove_prefix(size);
    while (take(talk, played, answer_bytes)) continue;
  }
  if (!played.requests.empty() && played.requests.back().empty()) played.requests.pop_back();
  played.tunnel = talk.tunnel();
  return played;
}

const std::vector<Corpus>& smuggling_corpus() {
  constexpr std::string_view hidden = "0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string nul(1, '\0');
  static const std::vector<Corpus> corpus{
      {"CL and TE", get("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", hidden)},
      {"TE and CL", get("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", hidden)},
      {"CL.0 and TE", get("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", hidden)},
      {"two lengths", get("Content-Length: 0\r\nContent-Length: 44\r\n", hidden)},
      {"the same length twice", get("Content-Length: 5\r\nContent-Length: 5\r\n", hidden)},
      {"a list of lengths", get("Content-Length: 5, 5\r\n", hidden)},
      {"a signed length", get("Content-Length: +5\r\n", hidden)},
      {"a negative length", get("Content-Length: -1\r\n", hidden)},
      {"a hexadecimal length", get("Content-Length: 0x5\r\n", hidden)},
      {"no length", get("Content-Length:\r\n", hidden)},
      {"a length with a blank in it", get("Content-Length: 4 4\r\n", hidden)},
      {"a length beyond 64 bits", get("Content-Length: 18446744073709551617\r\n", hidden)},
      {"a blank before the colon", get("Content-Length : 5\r\n", hidden)},
      {"a tab before the colon", get("Transfer-Encoding\t: chunked\r\n", hidden)},
      {"a vertical tab in a name", get("Transfer-Encoding\v: chunked\r\n", hidden)},
      {"a vertical tab in a value", get("Transfer-Encoding: \vchunked\r\n", hidden)},
      {"an unknown encoding", get("Transfer-Encoding: cow\r\n", hidden)},
      {"identity", get("Transfer-Encoding: identity\r\n", hidden)},
      {"two encodings", get("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n", hidden)},
      {"chunked twice", get("Transfer-Encoding: chunked, chunked\r\n", hidden)},
      {"something before chunked", get("Transfer-Encoding: gzip, chunked\r\n", hidden)},
      {"something after chunked", get("Transfer-Encoding: chunked, identity\r\n", hidden)},
      {"a quoted encoding", get("Transfer-Encoding: \"chunked\"\r\n", hidden)},
      {"an encoding with a parameter", get("Transfer-Encoding: chunked;a=b\r\n", hidden)},
      {"a folded encoding", get("Transfer-Encoding:\r\n chunked\r\n", hidden)},
      {"a folded line", get("X: a\r\n\tb\r\n", hidden)},
      {"a folded first line", get(" X: a\r\n", hidden)},
      {"a hidden encoding", get("X: a\rTransfer-Encoding: chunked\r\n", hidden)},
      {"underscores", get("Content_Length: 5\r\n", hidden)},
      {"underscores in the encoding", get("TRANSFER_ENCODING: chunked\r\n", hidden)},
      {"Connection drops the length",
       get("Connection: Content-Length\r\nContent-Length: 5\r\n", hidden)},
      {"Connection drops the encoding",
       get("Connection: close, transfer-encoding\r\nTransfer-Encoding: chunked\r\n", hidden)},
      {"no colon", get("Transfer-Encoding chunked\r\n", hidden)},
      {"no name", get(": chunked\r\n", hidden)},
      {"a NUL in a value", get("X: a" + nul + "b\r\n", hidden)},
      {"a NUL in a name", get("X" + nul + ": a\r\n", hidden)},
      {"a NUL in the target", "GET /a" + nul + " HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"two hosts", get("Host: y\r\n", hidden)},
      {"bare LF after the request line", "GET / HTTP/1.1\nHost: x\r\n\r\n"},
      {"bare LF after a header", "GET / HTTP/1.1\r\nHost: x\n\r\n"},
      {"bare LF as the end", "GET / HTTP/1.1\r\nHost: x\r\n\n"},
      {"bare LF in front", "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"bare CR in a value", get("X: a\rb\r\n", hidden)},
      {"CR CR LF", "GET / HTTP/1.1\r\r\nHost: x\r\n\r\n"},
      {"two empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"a blank in front", " GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"two blanks", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"a tab for a blank", "GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n"},
      {"a blank in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"no version", "GET /\r\nHost: x\r\n\r\n"},
      {"version 0.9", "GET / HTTP/0.9\r\nHost: x\r\n\r\n"},
      {"version 1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n"},
      {"version 2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n"},
      {"a lower-case version", "GET / http/1.1\r\nHost: x\r\n\r\n"},
      {"a blank after the version", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n"},
      {"a method that is no token", "GE(T / HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"HTTP/1.0 with an encoding",
       "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"CONNECT with a body", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nGET "},
      {"a huge head", get("X: " + std::string(front::head_max, 'a') + "\r\n", hidden)},
      {"a huge request line", "GET /" + std::string(front::head_max, 'a') + " HTTP/1.1\r\n\r\n"},
      {"no chunk size", chunked("\r\n" + std::string(hidden))},
      {"a chunk size with a sign", chunked("+1\r\na\r\n0\r\n\r\n")},
      {"a chunk size with 0x", chunked("0x1\r\na\r\n0\r\n\r\n")},
      {"a chunk size with a blank in front", chunked(" 1\r\na\r\n0\r\n\r\n")},
      {"a chunk size with a blank behind", chunked("1 \r\na\r\n0\r\n\r\n")},
      {"a chunk size with an underscore", chunked("1_0\r\na\r\n0\r\n\r\n")},
      {"a chunk size beyond 64 bits", chunked("10000000000000001\r\na\r\n0\r\n\r\n")},
      {"a chunk longer than it says", chunked("1\r\nabc\r\n0\r\n\r\n")},
      {"a chunk without its CR LF", chunked("1\r\na0\r\n\r\n")},
      {"a chunk that ends in LF", chunked("1\r\na\n0\r\n\r\n")},
      {"a chunk that ends in CR", chunked("1\r\na\r0\r\n\r\n")},
      {"a chunk line that ends in LF", chunked("1\na\r\n0\r\n\r\n")},
      {"a chunk line that ends in CR", chunked("1\ra\r\n0\r\n\r\n")},
      {"bare LF in a chunk extension", chunked("1;a\na\r\n0\r\n\r\n")},
      {"bare CR in a chunk extension", chunked("1;a\rb\r\na\r\n0\r\n\r\n")},
      {"NUL in a chunk extension", chunked("1;a" + nul + "\r\na\r\n0\r\n\r\n")},
      {"a huge chunk extension",
       chunked("1;" + std::string(front::chunk_extension_max + 1, 'a') + "\r\na\r\n0\r\n\r\n")},
      {"LF as the end of the chunks", chunked("0\n\n")},
      {"LF as the end of the trailers", chunked("0\r\n\n")},
      {"a trailer that frames", chunked("0\r\nContent-Length: 5\r\n\r\n")},
      {"a trailer that routes", chunked("0\r\nHost: y\r\n\r\n")},
      {"a folded trailer", chunked("0\r\nA: b\r\n c\r\n\r\n")},
      {"a trailer that ends in LF", chunked("0\r\nA: b\n\r\n")},
      {"a trailer without a colon", chunked("0\r\nGET / HTTP/1.1\r\n\r\n")},
      {"huge trailers", chunked("0\r\nA: " + std::string(front::trailers_max, 'a') + "\r\n\r\n")},
  };
  return corpus;
}

}  // namespace vitals::test
