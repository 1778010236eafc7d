// Where HTTP/1.1 messages begin and end.
#include "agent/front/framing.hpp"

#include <algorithm>
#include <array>

#include <vitals/text.hpp>

#include "agent/text/http_syntax.hpp"

namespace vitals::front {
namespace {

using http::is_field_char;
using http::is_field_value;
using http::is_token;
using http::is_token_char;
using http::trim_blanks;

// RFC 9113 §3.4.
constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// The PROXY protocol, versions 1 and 2, §2.1 and §2.2.
constexpr std::array<std::string_view, 4> proxy_signatures{
    "PROXY TCP4 ", "PROXY TCP6 ", "PROXY UNKNOWN", std::string_view("\r\n\r\n\0\r\nQUIT\n", 12)};
// RFC 8446 §5.1: a handshake record of version 3.x.
constexpr std::string_view tls_record = "\x16\x03";

// 18 digits: no overflow, and more bytes than any body has.
constexpr std::size_t length_digits_max = 18;
constexpr std::uint32_t chunk_digits_max = 15;

/// Long enough to tell the fields apart that frame a message.
constexpr std::size_t trailer_name_max = 32;

bool begins(std::string_view bytes, std::string_view signature) {
  return bytes.substr(0, signature.size()) == signature.substr(0, bytes.size());
}

std::optional<std::uint64_t> decimal(std::string_view text) {
  if (text.empty() || text.size() > length_digits_max) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

enum class Field { content_length, transfer_encoding, connection, host, upgrade, other };

Field field_of(std::string_view name) {
  switch (name.size()) {
    case 4:
      return same_ignoring_case(name, "host") ? Field::host : Field::other;
    case 7:
      return same_ignoring_case(name, "upgrade") ? Field::upgrade : Field::other;
    case 10:
      return same_ignoring_case(name, "connection") ? Field::connection : Field::other;
    case 14:
      return same_ignoring_case(name, "content-length") ? Field::content_length : Field::other;
    case 17:
      return same_ignoring_case(name, "transfer-encoding") ? Field::transfer_encoding
                                                           : Field::other;
    default:
      return Field::other;
  }
}

bool frames_bodies(Field field) {
  return field == Field::content_length || field == Field::transfer_encoding;
}

/// CGI, WSGI and Rack turn both '-' and '_' into the same variable.
bool looks_like_framing(std::string_view name) {
  constexpr std::size_t longest = std::string_view("transfer-encoding").size();
  if (name.size() > longest || name.find('_') == std::string_view::npos) return false;
  std::string dashed(name);
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  return frames_bodies(field_of(dashed));
}

struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool names_framing = false;  // a proxy would drop the field that frames the body

  void add(std::string_view value) {
    http::for_each_element(value, [&](std::string_view option) {
      close |= same_ignoring_case(option, "close");
      keep_alive |= same_ignoring_case(option, "keep-alive");
      upgrade |= same_ignoring_case(option, "upgrade");
      names_framing |= frames_bodies(field_of(option));
    });
  }
};

/// Cuts the first line off, without its end.
std::string_view next_line(std::string_view& rest) {
  const auto line_feed = std::min(rest.find('\n'), rest.size());
  auto line = rest.substr(0, line_feed);
  rest.remove_prefix(std::min(line_feed + 1, rest.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

class RequestReader {
 public:
  Result<RequestFrame, Fault> read(std::string_view head) {
    if (head.starts_with("\r\n")) head.remove_prefix(2);
    read_line(next_line(head));
    while (!fault_) {
      const auto line = next_line(head);
      if (line.empty()) break;
      read_field(line);
    }
    if (!fault_) check_whole();
    if (fault_) return *fault_;
    return frame_;
  }

 private:
  void bad(std::string_view why) { fault_ = Fault{why}; }

  void read_line(std::string_view line) {
    const auto first = std::min(line.find(' '), line.size());
    const auto second = std::min(line.find(' ', first + 1), line.size());
    const auto method = line.substr(0, first);
    if (!is_token(method)) return bad("the method is not a token");
    if (second == line.size()) return bad("the request line is not 'METHOD target HTTP/1.1'");
    frame_.target = line.substr(first + 1, second - first - 1);
    const bool printable = std::all_of(frame_.target.begin(), frame_.target.end(),
                                       [](char c) { return c != '\t' && is_field_char(c); });
    if (frame_.target.empty() || !printable)
      return bad("the request target has a control character");
    const auto version = line.substr(second + 1);
    http_1_0_ = version == "HTTP/1.0";
    if (!http_1_0_ && version != "HTTP/1.1")
      return bad("the version is neither HTTP/1.1 nor HTTP/1.0");
    if (method == "GET") frame_.method = Method::get;
    if (method == "HEAD") frame_.method = Method::head;
    if (method == "CONNECT") frame_.method = Method::connect;
  }

  void read_field(std::string_view line) {
    if (line.front() == ' ' || line.front() == '\t') return bad("a header line is folded");
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return bad("a header line has no colon");
    const auto name = line.substr(0, colon);
    if (!is_token(name)) return bad("a header name is not a token");
    const auto value = trim_blanks(line.substr(colon + 1));
    if (!is_field_value(value)) return bad("a header value has a control character");
    if (looks_like_framing(name)) return bad("a header name looks like one that frames the body");
    use_field(field_of(name), value);
  }

  void use_field(Field field, std::string_view value) {
    switch (field) {
      case Field::content_length:
        return read_length(value);
      case Field::transfer_encoding:
        if (chunked_ || !same_ignoring_case(value, "chunked")) {
          return bad("the only Transfer-Encoding that is taken is one 'chunked'");
        }
        chunked_ = true;
        return;
      case Field::connection:
        return options_.add(value);
      case Field::host:
        if (++hosts_ > 1) bad("more than one Host");
        return;
      case Field::upgrade:
        upgrade_ = true;
        return;
      case Field::other:
        return;
    }
  }

  void read_length(std::string_view value) {
    if (length_) return bad("more than one Content-Length");
    length_ = decimal(value);
    if (!length_) bad("Content-Length is not a number");
  }

  void check_whole() {
    if (chunked_ && length_) return bad("both Content-Length and Transfer-Encoding");
    if (chunked_ && http_1_0_) return bad("HTTP/1.0 has no Transfer-Encoding");
    if (options_.names_framing) return bad("Connection names a header that frames the body");
    const bool has_body = chunked_ || length_.value_or(0) > 0;
    if (frame_.method == Method::connect && has_body) return bad("CONNECT has no body");
    frame_.body = chunked_ ? Body::chunked : has_body ? Body::length : Body::none;
    frame_.length = length_.value_or(0);
    frame_.upgrades = upgrade_ && options_.upgrade && !http_1_0_;
    frame_.last = options_.close || (http_1_0_ && !options_.keep_alive);
  }

  RequestFrame frame_;
  ConnectionOptions options_;
  std::optional<std::uint64_t> length_;
  std::optional<Fault> fault_;
  int hosts_ = 0;
  bool chunked_ = false;
  bool upgrade_ = false;
  bool http_1_0_ = false;
};

class ResponseReader {
 public:
  explicit ResponseReader(Asked asked) : asked_(asked) {}

  Result<ResponseFrame, Fault> read(std::string_view head) {
    if (head.find('\0') != std::string_view::npos) return Fault{"a NUL byte in the head"};
    read_line(next_line(head));
    while (!fault_) {
      const auto line = next_line(head);
      if (line.empty()) break;
      read_field(line);
    }
    if (!fault_) decide();
    if (fault_) return *fault_;
    return frame_;
  }

 private:
  void bad(std::string_view why) { fault_ = Fault{why}; }

  void read_line(std::string_view line) {
    constexpr std::size_t version_size = std::string_view("HTTP/1.1 ").size();
    const auto version = line.substr(0, version_size);
    http_1_0_ = version == "HTTP/1.0 ";
    if (!http_1_0_ && version != "HTTP/1.1 ") return bad("the answer is not HTTP/1.1");
    const auto rest = line.substr(version_size);
    const auto code = decimal(rest.substr(0, 3));
    const bool ends = rest.size() == 3 || (rest.size() > 3 && rest[3] == ' ');
    if (!ends || !code || *code < 100) return bad("the status is not a number of three digits");
    frame_.status = static_cast<int>(*code);
  }

  void read_field(std::string_view line) {
    if (line.front() == ' ' || line.front() == '\t') {
      if (field_ != Field::other) bad("a folded header line frames the body");
      return;
    }
    const auto colon = std::min(line.find(':'), line.size());
    const auto name = line.substr(0, colon);
    field_ = field_of(trim_blanks(name));
    if (field_ == Field::other || colon == line.size()) return;
    if (field_ != field_of(name)) return bad("blanks before the colon of a framing header");
    use_field(trim_blanks(line.substr(colon + 1)));
  }

  void use_field(std::string_view value) {
    switch (field_) {
      case Field::content_length:
        return read_length(value);
      case Field::transfer_encoding:
        return read_encodings(value);
      case Field::connection:
        return options_.add(value);
      case Field::host:
      case Field::upgrade:
      case Field::other:
        return;
    }
  }

  // RFC 9110 §8.6: the same length twice is one length.
  void read_length(std::string_view value) {
    if (value.empty()) return bad("Content-Length is not a number");
    http::for_each_element(value, [&](std::string_view element) {
      const auto length = decimal(element);
      if (!length) return bad("Content-Length is not a number");
      if (length_ && *length_ != *length) return bad("more than one Content-Length");
      length_ = length;
    });
  }

  void read_encodings(std::string_view value) {
    encoded_ = true;
    http::for_each_element(value, [&](std::string_view element) {
      if (chunked_) bad("something follows the chunked Transfer-Encoding");
      chunked_ = same_ignoring_case(element, "chunked");
    });
  }

  // RFC 9112 §6.3.
  void decide() {
    const int status = frame_.status;
    frame_.interim = status >= 100 && status < 200 && status != 101;
    frame_.switched = status == 101 || (asked_.method == Method::connect && status / 100 == 2);
    if (status == 101 && !asked_.upgrades) return bad("101 without a request for another protocol");
    frame_.last = options_.close || (http_1_0_ && !options_.keep_alive);
    if (frame_.interim || frame_.switched) return;
    if (encoded_ && length_) return bad("both Content-Length and Transfer-Encoding");
    if (encoded_ && http_1_0_) return bad("HTTP/1.0 has no Transfer-Encoding");
    if (asked_.method == Method::head || status == 204 || status == 304) return;
    if (chunked_) {
      frame_.body = Body::chunked;
    } else if (length_ && !encoded_) {
      frame_.body = *length_ > 0 ? Body::length : Body::none;
      frame_.length = *length_;
    } else {
      frame_.body = Body::until_close;
      frame_.last = true;
    }
  }

  Asked asked_;
  ResponseFrame frame_;
  ConnectionOptions options_;
  Field field_ = Field::other;
  std::optional<std::uint64_t> length_;
  std::optional<Fault> fault_;
  bool chunked_ = false;
  bool encoded_ = false;
  bool http_1_0_ = false;
};

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Opening opening_of(std::string_view bytes) {
  if (bytes.empty()) return Opening::undecided;
  if (begins(bytes, tls_record)) {
    return bytes.size() < tls_record.size() ? Opening::undecided : Opening::tls;
  }
  if (begins(bytes, http2_preface)) {
    return bytes.size() < http2_preface.size() ? Opening::undecided : Opening::http2;
  }
  for (const auto signature : proxy_signatures) {
    if (!begins(bytes, signature)) continue;
    return bytes.size() < signature.size() ? Opening::undecided : Opening::proxy_protocol;
  }
  return Opening::http;
}

Result<RequestFrame, Fault> read_request_head(std::string_view head) {
  VITALS_ASSERT(head.ends_with("\r\n\r\n"));
  return RequestReader().read(head);
}

Result<ResponseFrame, Fault> read_response_head(std::string_view head, Asked asked) {
  VITALS_ASSERT(head.ends_with('\n'));
  return ResponseReader(asked).read(head);
}

// A client of another protocol, or an app that speaks none, is not kept waiting for an empty line.
std::optional<Fault> HeadFinder::check_start(std::string_view line) const {
  const auto word = line.substr(0, line.find(' '));
  if (line_ends_ == LineEnds::lenient) {
    if (begins(word, "HTTP/1.")) return std::nullopt;
    return Fault{"the answer is not HTTP/1.1"};
  }
  if (line_start_ == 0 && word == "\r") return std::nullopt;
  if (std::all_of(word.begin(), word.end(), is_token_char)) return std::nullopt;
  return Fault{"this is not HTTP"};
}

Result<std::size_t, Fault> HeadFinder::find(std::string_view bytes) {
  VITALS_ASSERT(scanned_ <= bytes.size());
  while (true) {
    const auto line_feed = bytes.find('\n', scanned_);
    if (line_feed == std::string_view::npos) break;
    const bool crlf = line_feed > line_start_ && bytes[line_feed - 1] == '\r';
    if (!crlf && line_ends_ == LineEnds::strict) {
      return Fault{"a line ends with a bare LF; lines end with CR LF"};
    }
    const auto length = line_feed - line_start_ - (crlf ? 1 : 0);
    const bool first_line = line_start_ == 0;
    if (!in_fields_ && length > 0) {
      if (auto fault = check_start(bytes.substr(line_start_, length))) return *fault;
    }
    scanned_ = line_start_ = static_cast<std::uint32_t>(line_feed + 1);
    if (line_start_ > head_max) return Fault{"the head is too large"};
    if (in_fields_ && length == 0) return std::size_t{line_start_};
    // RFC 9112 §2.2: one empty line before a request is forgiven.
    if (length > 0) {
      in_fields_ = true;
    } else if (!first_line || line_ends_ == LineEnds::lenient) {
      return Fault{"an empty line in place of a message"};
    }
  }
  scanned_ = static_cast<std::uint32_t>(bytes.size());
  if (bytes.size() > head_max) return Fault{"the head is too large"};
  if (!in_fields_) {
    if (auto fault = check_start(bytes.substr(line_start_))) return *fault;
  }
  return std::size_t{0};
}

std::size_t ChunkReader::feed(std::string_view bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && state_ != State::complete && state_ != State::broken) {
    if (state_ == State::data) {
      const auto size = std::min<std::uint64_t>(left_, bytes.size() - used);
      skip(size);
      used += static_cast<std::size_t>(size);
      continue;
    }
    take(bytes[used]);
    if (state_ != State::broken) ++used;
  }
  return used;
}

void ChunkReader::skip(std::uint64_t bytes) {
  VITALS_ASSERT(state_ == State::data && bytes <= left_);
  left_ -= bytes;
  if (left_ == 0) state_ = State::data_cr;
}

void ChunkReader::break_off(std::string_view why) {
  state_ = State::broken;
  fault_ = Fault{why};
}

void ChunkReader::take(char c) {
  switch (state_) {
    case State::size:
    case State::blanks:
    case State::extension:
    case State::size_lf:
      return take_size(c);
    case State::data_cr:
      if (c != '\r') return break_off("a chunk is longer than it says");
      state_ = State::data_lf;
      return;
    case State::data_lf:
      if (c != '\n') return break_off("a chunk is longer than it says");
      state_ = State::size;
      return;
    case State::trailer:
    case State::field_name:
    case State::field_value:
    case State::field_lf:
    case State::last_lf:
      return take_trailer(c);
    case State::data:
    case State::complete:
    case State::broken:
      break;
  }
  VITALS_ASSERT(false);
}

void ChunkReader::take_size(char c) {
  if (state_ == State::size_lf) {
    if (c != '\n') return break_off("a chunk's line ends with a bare CR");
    return end_size();
  }
  const int digit = state_ == State::size ? hex_value(c) : -1;
  if (digit >= 0) {
    if (++digits_ > chunk_digits_max) return break_off("a chunk is too large");
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return;
  }
  if (digits_ == 0) return break_off("a chunk has no size");
  if (c == '\r') {
    state_ = State::size_lf;
  } else if (state_ == State::extension) {
    if (!is_field_char(c)) return break_off("a control character in a chunk's extension");
    if (++line_ > chunk_extension_max) return break_off("a chunk's extension is too long");
  } else if (c == ';') {
    state_ = State::extension;
  } else if ((c == ' ' || c == '\t') && strictness_ == Strictness::response &&
             ++line_ <= chunk_extension_max) {
    state_ = State::blanks;
  } else {
    break_off("a chunk's size is not a hexadecimal number");
  }
}

void ChunkReader::end_size() {
  state_ = left_ > 0 ? State::data : State::trailer;
  digits_ = 0;
  line_ = 0;
}

void ChunkReader::take_trailer(char c) {
  if (++line_ > trailers_max) return break_off("the trailers are too large");
  if (state_ == State::last_lf || state_ == State::field_lf) {
    if (c != '\n') return break_off("a trailer line ends with a bare CR");
    state_ = state_ == State::last_lf ? State::complete : State::trailer;
  } else if (state_ == State::field_value) {
    if (c == '\r') {
      state_ = State::field_lf;
    } else if (!is_field_char(c)) {
      break_off("a control character in a trailer");
    }
  } else if (state_ == State::trailer && c == '\r') {
    state_ = State::last_lf;
  } else if (is_token_char(c)) {
    if (state_ == State::trailer) name_.clear();
    state_ = State::field_name;
    if (name_.size() < trailer_name_max) name_ += c;
  } else if (state_ == State::field_name && c == ':') {
    const Field field = field_of(name_);
    if (frames_bodies(field) || looks_like_framing(name_) || field == Field::host) {
      return break_off("a trailer must not frame or route the message");
    }
    state_ = State::field_value;
  } else {
    break_off("a trailer line is no header");
  }
}

}  // namespace vitals::front
