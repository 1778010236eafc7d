// The one place that knows httplib: a checked request goes in, the bytes of the answer come out.
#include "agent/serve/router.hpp"

#include <httplib.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace vitals::http {
namespace {

/// Seconds a client of a 503 may wait before it asks again.
constexpr std::string_view retry_after = "5";
constexpr std::string_view busy_retry_after = "1";

/// The request line to read from, the answer to write to; nothing ever blocks.
class MemoryStream final : public httplib::Stream {
 public:
  MemoryStream(std::string_view input, std::string& output) : input_(input), output_(output) {}

  [[nodiscard]] bool is_readable() const override { return !input_.empty(); }
  [[nodiscard]] bool wait_readable() const override { return true; }
  [[nodiscard]] bool wait_writable() const override { return true; }

  ssize_t read(char* to, std::size_t size) override {
    const auto count = std::min(size, input_.size());
    std::copy_n(input_.data(), count, to);
    input_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, std::size_t size) override {
    output_.append(from, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  [[nodiscard]] socket_t socket() const override { return INVALID_SOCKET; }
  [[nodiscard]] time_t duration() const override { return 0; }

 private:
  std::string_view input_;
  std::string& output_;
};

/// "Date: …" as HTTP wants it, formatted once a second.
class DateLine {
 public:
  [[nodiscard]] const std::string& now() {
    const std::time_t second = std::time(nullptr);
    if (second != second_) refresh(second);
    return line_;
  }

 private:
  void refresh(std::time_t second) {
    std::tm utc{};
    gmtime_r(&second, &utc);
    std::array<char, 64> text{};
    const auto size =
        std::strftime(text.data(), text.size(), "Date: %a, %d %b %Y %T GMT\r\n", &utc);
    line_.assign(text.data(), size);
    second_ = second;
  }

  std::time_t second_ = -1;
  std::string line_;
};

// httplib answers 400 to a method it has never heard of; the handler shall say 405 with Allow. It
// gets the true name beside, so any name that httplib routes will do.
std::string_view routable(std::string_view method) {
  static constexpr std::array<std::string_view, 7> known{"GET",    "HEAD",    "POST", "PUT",
                                                         "DELETE", "OPTIONS", "PATCH"};
  return std::find(known.begin(), known.end(), method) != known.end() ? method : "PATCH";
}

// The headers that steer httplib (Range, Upgrade, Expect, a bad Accept) end here: what they mean to
// us is in RequestHead already.
void write_request_line(const RequestHead& head, std::string& line) {
  line.clear();
  line += routable(head.method);
  line += ' ';
  line += head.target;
  line += " HTTP/1.1\r\n\r\n";
}

HttpReply internal_error() {
  HttpReply reply;
  reply.status = 500;
  reply.content_type = "application/json";
  reply.body = "{\"error\": \"internal error\"}\n";
  return reply;
}

const std::string& body_of(const HttpReply& reply) {
  return reply.shared ? *reply.shared : reply.body;
}

void append_status_line(int status, std::string& out) {
  out.append("HTTP/1.1 ").append(std::to_string(status)).append(" ");
  out.append(httplib::status_message(status)).append("\r\n");
}

void append_field(std::string_view name, std::string_view value, std::string& out) {
  out.append(name).append(": ").append(value).append("\r\n");
}

HttpReply call(const Handler& handler, const HttpRequest& request) {
  try {
    return handler(request);
  } catch (...) {
    return internal_error();  // the last net: a bug in a handler costs one answer, not the agent
  }
}

}  // namespace

class Router::Server final : public httplib::Server {
 public:
  explicit Server(const vitals::Handler& handler) : handler_(handler) {
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      handle(request, response);
      return HandlerResponse::Handled;
    });
    set_header_writer(
        [this](httplib::Stream& stream, httplib::Headers&) { return write_headers(stream); });
  }

  Answered answer(const Exchange& exchange, std::string& out) {
    exchange_ = &exchange;
    answered_ = {};
    routed_ = false;
    write_request_line(exchange.head, line_);
    MemoryStream stream(line_, out);
    bool closed = false;
    const auto before = out.size();
    process_request(stream, {}, 0, {}, 0, !exchange.keep_alive, closed, nullptr);
    exchange_ = nullptr;
    const HttpReply reply = std::exchange(reply_, {});  // may be large: nothing of it is kept
    auto request = std::exchange(request_, {});
    if (routed_ && !answered_.deferred && out.size() > before) {
      // Behind the back of httplib, which would copy it twice more.
      if (exchange.head.method != "HEAD") out += body_of(reply);
      if (exchange.may_defer) known_.remember(exchange.bytes, exchange.head, std::move(request));
      return answered_;
    }
    out.resize(before);
    if (answered_.deferred) return answered_;
    append_refusal({400, "the request line is not understood"}, out);
    return {400, "other"};
  }

  Answered repeat(const KnownRequest& known, bool keep_alive, std::string& out) {
    const HttpReply reply = call(handler_, known.request);
    if (reply.defer) return {reply.status, reply.endpoint, true};
    append_status_line(reply.status, out);
    append_fields(known.head, keep_alive, reply, out);
    if (known.head.method != "HEAD") out += body_of(reply);
    return {reply.status, reply.endpoint};
  }

  [[nodiscard]] const KnownRequest* known(std::string_view bytes, bool from_loopback) const {
    return known_.find(bytes, from_loopback);
  }

 private:
  void handle(const httplib::Request& request, httplib::Response& response) {
    routed_ = true;
    HttpRequest& ours = request_;
    ours.method = exchange_->head.method;
    ours.path = request.path;
    ours.query = request.params;
    ours.accept = exchange_->head.accept;
    ours.authorization = exchange_->head.authorization;
    ours.from_loopback = exchange_->from_loopback;
    ours.forwarded = exchange_->head.forwarded;
    ours.body = exchange_->body;
    ours.may_defer = exchange_->may_defer;
    ours.may_share = true;
    reply_ = call(handler_, ours);
    answered_ = {reply_.status, reply_.endpoint, reply_.defer && exchange_->may_defer};
    response.status = reply_.status;
  }

  // What httplib would say of the connection is wrong here (it closes after each 4xx and 5xx, and
  // promises a keep-alive of its own), and it does not see the body: all fields are ours.
  ssize_t write_headers(httplib::Stream& stream) {
    fields_.clear();
    append_fields(exchange_->head, exchange_->keep_alive, reply_, fields_);
    return stream.write(fields_.data(), fields_.size());
  }

  void append_fields(const RequestHead& head, bool keep_alive, const HttpReply& reply,
                     std::string& out) {
    bool has_retry = false;
    if (!reply.content_type.empty()) append_field("Content-Type", reply.content_type, out);
    if (reply.status != 204) {
      append_field("Content-Length", std::to_string(body_of(reply).size()), out);
    }
    for (const auto& [name, value] : reply.headers) {
      append_field(name, value, out);
      has_retry |= name == "Retry-After";
    }
    out += date_.now();
    out += "Cache-Control: no-store\r\nVary: Accept\r\n";
    if (reply.status == 503 && !has_retry) append_field("Retry-After", retry_after, out);
    if (!keep_alive) {
      out += "Connection: close\r\n";
    } else if (head.http_1_0) {
      out += "Connection: keep-alive\r\n";
    }
    out += "\r\n";
  }

  const vitals::Handler& handler_;      // httplib has a Handler of its own
  const Exchange* exchange_ = nullptr;  // the one being answered
  HttpRequest request_;                 // as the handler got it
  HttpReply reply_;                     // to it
  KnownRequests known_;
  Answered answered_;
  bool routed_ = false;
  std::string line_;
  std::string fields_;
  DateLine date_;
};

Router::Router(const Handler& handler) : server_(std::make_unique<Server>(handler)) {}
Router::~Router() = default;

Answered Router::answer(const Exchange& exchange, std::string& out) {
  return server_->answer(exchange, out);
}

const KnownRequest* Router::known(std::string_view bytes, bool from_loopback) const {
  return server_->known(bytes, from_loopback);
}

Answered Router::repeat(const KnownRequest& known, bool keep_alive, std::string& out) {
  return server_->repeat(known, keep_alive, out);
}

namespace {

/// An answer with a fixed text, made without httplib.
struct Plain {
  int status = 0;
  std::string_view why;
  std::string_view headers;
  bool with_body = true;
};

void append_plain(const Plain& plain, std::string& out) {
  std::string body = "{\"error\": \"";
  body.append(plain.why).append("\"}\n");
  append_status_line(plain.status, out);
  out.append("Content-Type: application/json\r\n");
  out.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  out.append("Cache-Control: no-store\r\nVary: Accept\r\n").append(plain.headers).append("\r\n");
  if (plain.with_body) out += body;
}

}  // namespace

void append_refusal(const Rejection& rejection, std::string& out) {
  append_plain({rejection.status, rejection.why, "Connection: close\r\n", true}, out);
}

void append_busy(const RequestHead& head, bool keep_alive, std::string& out) {
  std::string headers = "Retry-After: ";
  headers.append(busy_retry_after).append("\r\n");
  if (!keep_alive) headers += "Connection: close\r\n";
  append_plain(
      {503, "too many large answers are being made; ask again", headers, head.method != "HEAD"},
      out);
}

}  // namespace vitals::http
