// Where HTTP/1.1 messages begin and end (RFC 9112), read as strictly as two parsers that must never
// disagree need it: what one of them could frame in another way is refused. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <vitals/result.hpp>

namespace vitals::front {

/// One head, of a request or a response. Apps refuse far smaller ones themselves.
inline constexpr std::size_t head_max = 64 * 1024;
/// The extensions of one chunk, and all trailer fields of one body.
inline constexpr std::size_t chunk_extension_max = 1024;
inline constexpr std::size_t trailers_max = 8 * 1024;

/// Why a message can't be framed. Static text, a sentence for people.
struct Fault {
  std::string_view why;
};

/// What the first bytes of a connection say. Everything but `http` is none of our business: it goes
/// to the app as it is, until the connection ends.
enum class Opening { undecided, http, http2, proxy_protocol, tls };
[[nodiscard]] Opening opening_of(std::string_view bytes);

enum class Body { none, length, chunked, until_close };

enum class Method { get, head, connect, other };

struct RequestFrame {
  Method method = Method::other;
  std::string_view target;  // into the head
  Body body = Body::none;   // never until_close
  std::uint64_t length = 0;
  bool upgrades = false;  // asks for another protocol
  bool last = false;      // no further request follows on this connection
};

/// What of a request decides how the answer to it is framed.
struct Asked {
  Method method = Method::other;
  bool upgrades = false;
};

struct ResponseFrame {
  int status = 0;
  bool interim = false;   // 1xx: the real answer is still to come
  bool switched = false;  // from here on it is no HTTP any more
  Body body = Body::none;
  std::uint64_t length = 0;
  bool last = false;
};

/// `head` is whole, with its empty line, as HeadFinder found it; an empty line may precede it.
[[nodiscard]] Result<RequestFrame, Fault> read_request_head(std::string_view head);
[[nodiscard]] Result<ResponseFrame, Fault> read_response_head(std::string_view head, Asked asked);

/// Requests have to end their lines with CR LF. Of apps a bare LF is taken, as every client does:
/// their answers are not what an attacker writes.
enum class LineEnds { strict, lenient };

/// Finds the end of a head in bytes that arrive in pieces; looks at every byte once.
class HeadFinder {
 public:
  explicit HeadFinder(LineEnds line_ends) : line_ends_(line_ends) {}

  /// `bytes` is everything since the first byte of this head; it only grows between calls. The size
  /// of the head; 0: not complete yet. Says no as early as the bytes allow it.
  [[nodiscard]] Result<std::size_t, Fault> find(std::string_view bytes);
  /// For the next head.
  void reset() { *this = HeadFinder(line_ends_); }

 private:
  [[nodiscard]] std::optional<Fault> check_start(std::string_view line) const;

  LineEnds line_ends_;
  bool in_fields_ = false;  // the first line is over
  std::uint32_t scanned_ = 0;
  std::uint32_t line_start_ = 0;
};

/// Follows a chunked body with its extensions and trailers.
class ChunkReader {
 public:
  /// Blanks after a chunk's size are taken from old servers, never from clients.
  enum class Strictness { request, response };

  explicit ChunkReader(Strictness strictness) : strictness_(strictness) {}

  /// How many of `bytes` belong to this body; fewer than all of them when it is complete or broken.
  std::size_t feed(std::string_view bytes);
  [[nodiscard]] bool complete() const { return state_ == State::complete; }
  /// Set once it is broken; what feed() took before is well-formed.
  [[nodiscard]] std::optional<Fault> fault() const { return fault_; }
  /// So many bytes of data follow for certain; skip() says that they have passed.
  [[nodiscard]] std::uint64_t data_left() const { return state_ == State::data ? left_ : 0; }
  void skip(std::uint64_t bytes);

 private:
  enum class State {
    size,         // hexadecimal digits
    blanks,       // after them, of old servers
    extension,    // up to the CR
    size_lf,      // the LF of the size line
    data,         //
    data_cr,      // CR LF after the data
    data_lf,      //
    trailer,      // the first byte of a trailer line, or the CR of the last line
    field_name,   //
    field_value,  // up to the CR
    field_lf,     //
    last_lf,      // the LF of the empty line
    complete,
    broken,
  };
  void take(char c);
  void take_size(char c);
  void take_trailer(char c);
  void break_off(std::string_view why);
  void end_size();

  Strictness strictness_;
  State state_ = State::size;
  std::uint32_t digits_ = 0;
  std::uint32_t line_ = 0;  // bytes of this extension, or of all trailers
  std::uint64_t left_ = 0;
  std::string name_;  // of the trailer field
  std::optional<Fault> fault_;
};

}  // namespace vitals::front
