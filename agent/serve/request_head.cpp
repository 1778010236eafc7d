// One request head, checked byte by byte before any library sees it.
#include "agent/serve/request_head.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include <vitals/text.hpp>

#include "agent/text/http_syntax.hpp"

namespace vitals::http {
namespace {

// Visible ASCII; a fragment never belongs into a request.
bool is_target(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
}

using Refusal = std::optional<Rejection>;

Refusal bad(std::string_view why) { return Rejection{400, why}; }

// "http://host/path?x" becomes "/path?x"; nothing for any other form.
std::optional<std::string> origin_form(std::string_view target) {
  const auto scheme_end = target.find("://");
  if (scheme_end == std::string_view::npos) return std::nullopt;
  const auto scheme = target.substr(0, scheme_end);
  if (!same_ignoring_case(scheme, "http") && !same_ignoring_case(scheme, "https"))
    return std::nullopt;
  const auto rest = target.substr(scheme_end + 3);
  const auto path = std::min(rest.find_first_of("/?"), rest.size());
  if (path == 0) return std::nullopt;
  if (path < rest.size() && rest[path] == '/') return std::string(rest.substr(path));
  return "/" + std::string(rest.substr(path));
}

Refusal read_target(std::string_view target, RequestHead& head) {
  if (!is_target(target)) return bad("the request target has a byte that must be percent-encoded");
  if (target.front() == '/' || head.method == "CONNECT" ||
      (target == "*" && head.method == "OPTIONS")) {
    head.target = target;
    return std::nullopt;
  }
  auto origin = origin_form(target);
  if (!origin) return bad("the request target is neither a path nor a http:// URL");
  head.target = std::move(*origin);
  return std::nullopt;
}

Refusal read_version(std::string_view version, RequestHead& head) {
  if (version == "HTTP/1.0") {
    head.http_1_0 = true;
    head.keep_alive = false;
    return std::nullopt;
  }
  if (version == "HTTP/1.1") return std::nullopt;
  if (version == "HTTP/2.0") return bad("HTTP/2 is not spoken here; use HTTP/1.1");
  return bad("the request line does not end with HTTP/1.1 or HTTP/1.0");
}

Refusal read_request_line(std::string_view line, RequestHead& head) {
  const auto first = line.find(' ');
  const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) {
    return bad("the request line is not 'METHOD target HTTP/1.1'");
  }
  const auto method = line.substr(0, first);
  if (!is_token(method)) return bad("the method is not a token");
  head.method = method;
  if (auto refusal = read_version(line.substr(second + 1), head)) return refusal;
  return read_target(line.substr(first + 1, second - first - 1), head);
}

/// What is counted over all header lines.
struct Seen {
  int hosts = 0;
  int lengths = 0;
  int encodings = 0;
  int authorizations = 0;
  bool closes = false;
  bool keeps = false;
};

Refusal read_length(std::string_view value, RequestHead& head) {
  if (value.empty() || value.find_first_not_of("0123456789") != std::string_view::npos) {
    return bad("Content-Length is not a number");
  }
  constexpr auto most = std::numeric_limits<std::size_t>::max();
  for (const char c : value) {
    const auto digit = static_cast<std::size_t>(c - '0');
    head.content_length =
        head.content_length > (most - digit) / 10 ? most : head.content_length * 10 + digit;
  }
  return std::nullopt;
}

void read_connection(std::string_view value, Seen& seen) {
  for_each_element(value, [&](std::string_view option) {
    seen.closes |= same_ignoring_case(option, "close");
    seen.keeps |= same_ignoring_case(option, "keep-alive");
  });
}

Refusal read_expect(std::string_view value, RequestHead& head) {
  if (!same_ignoring_case(value, "100-continue"))
    return Rejection{417, "only Expect: 100-continue is known"};
  head.expects_continue = true;
  return std::nullopt;
}

void read_accept(std::string_view value, RequestHead& head) {
  if (!head.accept.empty()) head.accept += ", ";
  head.accept += value;
}

Refusal read_field(std::string_view name, std::string_view value, RequestHead& head, Seen& seen) {
  switch (name.size()) {
    case 4:
      if (same_ignoring_case(name, "host")) ++seen.hosts;
      break;
    case 6:
      if (same_ignoring_case(name, "accept")) read_accept(value, head);
      if (same_ignoring_case(name, "expect")) return read_expect(value, head);
      break;
    case 9:
      if (same_ignoring_case(name, "forwarded")) head.forwarded = true;
      break;
    case 10:
      if (same_ignoring_case(name, "connection")) read_connection(value, seen);
      break;
    case 13:
      if (same_ignoring_case(name, "fly-client-ip")) head.forwarded = true;
      if (same_ignoring_case(name, "authorization") && ++seen.authorizations == 1) {
        head.authorization = value;
      }
      break;
    case 14:
      if (!same_ignoring_case(name, "content-length")) break;
      if (++seen.lengths > 1) return bad("more than one Content-Length");
      return read_length(value, head);
    case 15:
      if (same_ignoring_case(name, "x-forwarded-for")) head.forwarded = true;
      break;
    case 17:
      if (!same_ignoring_case(name, "transfer-encoding")) break;
      if (++seen.encodings > 1 || !same_ignoring_case(value, "chunked")) {
        return bad("the only known Transfer-Encoding is chunked");
      }
      head.chunked = true;
      break;
    default:
      break;
  }
  return std::nullopt;
}

Refusal read_header_line(std::string_view line, RequestHead& head, Seen& seen) {
  if (line.front() == ' ' || line.front() == '\t') return bad("a header line is folded");
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return bad("a header line has no colon");
  const auto name = line.substr(0, colon);
  if (!is_token(name)) return bad("a header name has a blank or another byte that is no token");
  const auto value = trim_blanks(line.substr(colon + 1));
  if (!is_field_value(value)) return bad("a header value has a control character");
  return read_field(name, value, head, seen);
}

Refusal check_whole(RequestHead& head, const Seen& seen) {
  if (seen.hosts > 1) return bad("more than one Host header");
  if (seen.hosts == 0 && !head.http_1_0) return bad("HTTP/1.1 needs a Host header");
  if (head.chunked && seen.lengths > 0) return bad("both Content-Length and Transfer-Encoding");
  if (head.chunked && head.http_1_0) return bad("HTTP/1.0 has no Transfer-Encoding");
  head.has_credentials = seen.authorizations > 0;
  if (seen.authorizations > 1) head.authorization.clear();
  if (head.http_1_0) {
    head.keep_alive = seen.keeps && !seen.closes;
    head.expects_continue = false;
  } else {
    head.keep_alive = !seen.closes;
  }
  return std::nullopt;
}

}  // namespace

HeadScanner::State HeadScanner::reject(int status, std::string_view why) {
  rejection_ = {status, why};
  return State::rejected;
}

HeadScanner::State HeadScanner::scan(std::string_view bytes, const HeadLimits& limits) {
  const auto fresh = bytes.substr(scanned_);
  if (fresh.find('\0') != std::string_view::npos) return reject(400, "a NUL byte in the head");
  while (true) {
    const auto line_feed = bytes.find('\n', scanned_);
    if (line_feed == std::string_view::npos) break;
    scanned_ = static_cast<std::uint32_t>(line_feed + 1);
    const auto state = end_line(bytes, line_feed, limits);
    if (state != State::more) return state;
  }
  scanned_ = static_cast<std::uint32_t>(bytes.size());
  return check_growth(bytes, limits);
}

HeadScanner::State HeadScanner::end_line(std::string_view bytes, std::size_t line_feed,
                                         const HeadLimits& limits) {
  if (line_feed == line_start_ || bytes[line_feed - 1] != '\r') {
    return reject(400, "a line ends with a bare LF; lines end with CR LF");
  }
  const auto length = line_feed - 1 - line_start_;
  line_start_ = static_cast<std::uint32_t>(line_feed + 1);
  if (headers_start_ != 0) {
    if (length == 0) return State::complete;
    if (line_start_ - headers_start_ > limits.headers_max) return reject(431, "headers too large");
    return State::more;
  }
  // RFC 9112 §2.2: one empty line before a request is forgiven.
  if (length == 0 && begin_ == 0) {
    begin_ = line_start_;
    return State::more;
  }
  if (length > limits.request_line_max) return reject(414, "request line too long");
  headers_start_ = line_start_;
  return State::more;
}

// Says no as early as the bytes allow it, so that a client of another protocol is not kept waiting.
HeadScanner::State HeadScanner::check_growth(std::string_view bytes, const HeadLimits& limits) {
  const auto pending = bytes.size() - line_start_;
  if (headers_start_ != 0) {
    if (bytes.size() - headers_start_ > limits.headers_max + 2) {
      return reject(431, "headers too large");
    }
    if (line_checked_) return State::more;
    line_checked_ = true;
    RequestHead ignored;
    const auto refusal =
        read_request_line(bytes.substr(begin_, headers_start_ - 2 - begin_), ignored);
    return refusal ? reject(refusal->status, refusal->why) : State::more;
  }
  if (pending > limits.request_line_max + 1) return reject(414, "request line too long");
  const bool starts_well = pending == 0 ||
                           token_table[static_cast<unsigned char>(bytes[line_start_])] ||
                           (begin_ == 0 && bytes[line_start_] == '\r');
  return starts_well ? State::more : reject(400, "this is not HTTP; TLS is not spoken here");
}

Result<RequestHead, Rejection> parse_head(std::string_view head) {
  RequestHead parsed;
  Seen seen;
  const auto line_end = head.find("\r\n");
  VITALS_ASSERT(line_end != std::string_view::npos && head.ends_with("\r\n\r\n"));
  if (auto refusal = read_request_line(head.substr(0, line_end), parsed)) return *refusal;
  auto rest = head.substr(line_end + 2);
  while (rest.size() > 2) {
    const auto end = rest.find("\r\n");
    if (auto refusal = read_header_line(rest.substr(0, end), parsed, seen)) return *refusal;
    rest.remove_prefix(end + 2);
  }
  if (auto refusal = check_whole(parsed, seen)) return *refusal;
  return parsed;
}

}  // namespace vitals::http
