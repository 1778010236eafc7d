// Drives libcurl: one easy and one multi handle, a connection made by us, one deadline. The only
// file that knows libcurl.
#include "probes/http_exchange.hpp"

#include <curl/curl.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "probes/http_reuse.hpp"
#include "probes/http_rules.hpp"
#include "probes/libraries.hpp"

namespace vitals::http {
namespace {

struct EasyFree {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiFree {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct UrlFree {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct StringFree {
  void operator()(char* text) const { curl_free(text); }
};
using Easy = std::unique_ptr<CURL, EasyFree>;
using Multi = std::unique_ptr<CURLM, MultiFree>;
using List = std::unique_ptr<curl_slist, ListFree>;

/// libcurl keeps one such buffer per multi handle; a health answer fits.
constexpr long receive_buffer = 4'096;

/// The one status below 200 that is an answer.
constexpr int status_upgraded = 101;

List make_list(const std::vector<std::string>& lines) {
  curl_slist* list = nullptr;
  for (const auto& line : lines) {
    curl_slist* const longer = curl_slist_append(list, line.c_str());
    VITALS_ASSERT(longer != nullptr);
    list = longer;
  }
  return List(list);
}

Elapsed microseconds(curl_off_t value) { return std::chrono::microseconds(value); }

/// The status of "HTTP/1.1 503 Service Unavailable" and its text; 0 when it is no status line.
std::pair<int, std::string_view> parse_status_line(std::string_view line) {
  const auto space = line.find(' ');
  if (!line.starts_with("HTTP/") || space == std::string_view::npos) return {};
  int status = 0;
  const auto* const begin = line.data() + space + 1;
  const auto [end, error] = std::from_chars(begin, line.data() + line.size(), status);
  if (error != std::errc()) return {};
  auto text = std::string_view(end, static_cast<std::size_t>(line.data() + line.size() - end));
  const auto first = text.find_first_not_of(' ');
  text = first == std::string_view::npos ? std::string_view() : text.substr(first);
  return {status, text.substr(0, text.find_first_of("\r\n"))};
}

/// RFC 9112 §6.3: such an answer has no end that two readers agree on.
bool lengths_differ(std::string_view head) {
  std::optional<std::string_view> length;
  for (const auto& line : header_lines(head)) {
    if (!same_name(line.name, "Content-Length")) continue;
    if (length && *length != line.value) return true;
    length = line.value;
  }
  return false;
}

/// libcurl has emptied OpenSSL's error queue into its text: "TLS connect error:
/// error:0A000126:SSL routines::…". 0 when there is none.
unsigned long openssl_error_in(std::string_view text) {
  constexpr std::string_view mark = "error:";
  for (auto at = text.find(mark); at != std::string_view::npos; at = text.find(mark, at + 1)) {
    unsigned long code = 0;
    const auto* const begin = text.data() + at + mark.size();
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), code, 16);
    if (error == std::errc() && end - begin == 8 && code != 0) return code;
  }
  return 0;
}

}  // namespace

struct HttpExchange::Impl {
  std::optional<tls::Peer> shown;  // by the certificate of the running exchange
  TlsReuse reuse;                  // before the handles: they end their connections when they go
  Easy easy{curl_easy_init()};
  Multi multi;
  std::array<char, CURL_ERROR_SIZE> error_text{};
  List direct{make_list({"::127.0.0.1:"})};
  List via_proxy;
  // What the handle is set to, so that the same again costs nothing.
  std::vector<std::string> header_lines;
  List headers;

  // Of the running exchange.
  const ExchangeRequest* request = nullptr;
  ExchangeAnswer* answer = nullptr;
  Fd connection;
  std::size_t head_bytes = 0;
  bool head_complete = false;
  bool head_too_large = false;
  std::string head_fault;  // what makes the head no HTTP/1, though libcurl takes it
  bool stopped = false;    // we have what was wanted
  bool body_too_large = false;
  std::size_t body_limit = 0;
  bool limit_is_wish = false;
  std::optional<net::Failure> context_failure;
  std::string_view refused;  // what of the request libcurl does not take; static text

  Impl();
  template <typename Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(easy.get(), option, value);
    VITALS_ASSERT(code == CURLE_OK);
  }
  /// As set(), for what a user wrote: refusing it is no bug of ours.
  void offer(CURLoption option, const char* value, std::string_view what) {
    if (curl_easy_setopt(easy.get(), option, value) != CURLE_OK) refused = what;
  }
  void set_once();
  [[nodiscard]] std::optional<net::Failure> prepare();
  void prepare_proxy();
  void prepare_tls();
  void prepare_method();
  void prepare_headers();

  enum class End { done, timeout, interrupted };
  [[nodiscard]] End drive(const Deadline& deadline, CURLcode& code) const;
  [[nodiscard]] CURLcode code_of_finished() const;
  void note_phases(TimePoint start) const;
  [[nodiscard]] curl_off_t time_of(CURLINFO info) const;
  [[nodiscard]] std::optional<net::Failure> classify(CURLcode code) const;
  [[nodiscard]] net::Failure tls_failure() const;
  [[nodiscard]] net::Failure verify_failure() const;
  [[nodiscard]] net::Failure receive_failure() const;
  [[nodiscard]] net::Failure write_failure() const;
  [[nodiscard]] net::Failure protocol_failure() const;
  [[nodiscard]] net::Failure proxy_failure(long status) const;
  [[nodiscard]] net::Failure timeout_failure() const;
  [[nodiscard]] std::string text(std::string_view fallback) const;

  [[nodiscard]] bool take_head_line(std::string_view line);
  [[nodiscard]] bool finish_head();
  [[nodiscard]] bool take_body(std::string_view bytes);
  void note_peer() const;

  static curl_socket_t on_open(void* self, curlsocktype, curl_sockaddr*);
  static int on_socket(void*, curl_socket_t, curlsocktype) {
    return CURL_SOCKOPT_ALREADY_CONNECTED;
  }
  static std::size_t on_head(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static CURLcode on_context(CURL*, void* context, void* self);
};

HttpExchange::Impl::Impl() {
  VITALS_ASSERT(easy != nullptr);
  set_once();
}

void HttpExchange::Impl::set_once() {
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_ERRORBUFFER, error_text.data());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_HTTP09_ALLOWED, 0L);
  set(CURLOPT_FOLLOWLOCATION, 0L);  // http_probe.cpp follows: it knows what may travel
  set(CURLOPT_FRESH_CONNECT, 1L);
  set(CURLOPT_FORBID_REUSE, 1L);
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_TCP_NODELAY, 0L);  // net has set it
  set(CURLOPT_BUFFERSIZE, receive_buffer);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  set(CURLOPT_NOPROXY, "");
  set(CURLOPT_OPENSOCKETFUNCTION, &Impl::on_open);
  set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
  set(CURLOPT_SOCKOPTFUNCTION, &Impl::on_socket);
  set(CURLOPT_HEADERFUNCTION, &Impl::on_head);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_WRITEFUNCTION, &Impl::on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  // The trust store comes from tls::configure_context; libcurl would load its own each time.
  set(CURLOPT_CAINFO, static_cast<char*>(nullptr));
  set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  set(CURLOPT_SSL_CTX_FUNCTION, &Impl::on_context);
  set(CURLOPT_SSL_CTX_DATA, static_cast<void*>(this));
}

void HttpExchange::Impl::prepare_proxy() {
  // Names are resolved and connections made by net, so libcurl is given addresses it never dials:
  // its own resolver stays unused, the URL keeps the names for Host, SNI and the certificate.
  if (!request->proxy) {
    set(CURLOPT_PROXY, "");
    set(CURLOPT_CONNECT_TO, direct.get());
    return;
  }
  const auto& proxy = *request->proxy;
  set(CURLOPT_PROXY, "http://127.0.0.1:1");
  // CURLOPT_PROXYUSERPWD would decode them again.
  offer(CURLOPT_PROXYUSERNAME, proxy.has_user ? proxy.user.c_str() : nullptr, "the proxy's user");
  offer(CURLOPT_PROXYPASSWORD, proxy.has_user ? proxy.password.c_str() : nullptr,
        "the proxy's password");
  via_proxy = proxy.connect_to.empty() ? List() : make_list({"::" + proxy.connect_to});
  set(CURLOPT_CONNECT_TO, via_proxy.get());
}

void HttpExchange::Impl::prepare_tls() {
  set(CURLOPT_SSL_VERIFYPEER, request->tls.verify ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, request->tls.verify ? 2L : 0L);
  long version = CURL_SSLVERSION_DEFAULT;
  if (request->tls.min_version == TLS1_2_VERSION) version = CURL_SSLVERSION_TLSv1_2;
  if (request->tls.min_version == TLS1_3_VERSION) version = CURL_SSLVERSION_TLSv1_3;
  set(CURLOPT_SSLVERSION, version);
}

void HttpExchange::Impl::prepare_method() {
  static const std::string nothing;
  const bool head = request->method == "HEAD";
  const std::string* body = request->body;
  // RFC 9110 §8.6: Content-Length: 0 then, or servers wait for a body or answer 411.
  if (body == nullptr && has_body_by_nature(request->method)) body = &nothing;
  if (body != nullptr) {
    set(CURLOPT_NOBODY, 0L);
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    set(CURLOPT_POSTFIELDS, body->c_str());
  } else {
    set(CURLOPT_HTTPGET, 1L);
    set(CURLOPT_NOBODY, head ? 1L : 0L);
  }
  const bool plain = head || (request->method == "GET" && body == nullptr);
  set(CURLOPT_CUSTOMREQUEST, plain ? nullptr : std::string(request->method).c_str());
}

void HttpExchange::Impl::prepare_headers() {
  if (headers && header_lines == request->headers) return;
  auto list = make_list(request->headers);
  set(CURLOPT_HTTPHEADER, list.get());
  headers = std::move(list);
  header_lines = request->headers;
}

std::optional<net::Failure> HttpExchange::Impl::prepare() {
  // Sessions live in the multi handle: a new one has none, and is refilled by this handshake.
  if (!multi || request->full_handshake) {
    multi.reset(curl_multi_init());
    reuse.forget();
  }
  VITALS_ASSERT(multi != nullptr);
  error_text[0] = '\0';
  head_bytes = 0;
  head_fault.clear();
  head_complete = head_too_large = stopped = body_too_large = limit_is_wish = false;
  body_limit = request->body_max;
  context_failure.reset();
  shown.reset();
  refused = {};
  prepare_proxy();
  prepare_tls();
  prepare_method();
  prepare_headers();
  offer(CURLOPT_URL, request->url.c_str(), "the url");
  if (refused.empty()) return std::nullopt;
  return net::Failure{Reason::internal, "libcurl does not take " + std::string(refused) +
                                            ": is it too long, or has it a character that does not "
                                            "belong there?"};
}

curl_socket_t HttpExchange::Impl::on_open(void* self, curlsocktype, curl_sockaddr*) {
  const int fd = static_cast<Impl*>(self)->connection.release();
  return fd < 0 ? CURL_SOCKET_BAD : fd;
}

std::size_t HttpExchange::Impl::on_head(char* data, std::size_t size, std::size_t count,
                                        void* self) {
  const std::string_view line(data, size * count);
  return static_cast<Impl*>(self)->take_head_line(line) ? line.size() : 0;
}

std::size_t HttpExchange::Impl::on_body(char* data, std::size_t size, std::size_t count,
                                        void* self) {
  const std::string_view bytes(data, size * count);
  return static_cast<Impl*>(self)->take_body(bytes) ? bytes.size() : CURL_WRITEFUNC_ERROR;
}

CURLcode HttpExchange::Impl::on_context(CURL*, void* context, void* self) {
  auto& impl = *static_cast<Impl*>(self);
  auto* const tls_context = static_cast<SSL_CTX*>(context);
  // libcurl would hold the socket until the server answers our close_notify, which may be never.
  SSL_CTX_set_quiet_shutdown(tls_context, 1);
  impl.context_failure = tls::configure_context(tls_context, impl.request->tls, impl.shown);
  return impl.context_failure ? CURLE_SSL_CACERT_BADFILE : CURLE_OK;
}

bool HttpExchange::Impl::take_head_line(std::string_view line) {
  head_bytes += line.size();
  head_too_large = head_bytes > head_max;
  if (head_too_large) return false;
  if (head_complete) return true;  // a trailer
  if (line == "\r\n" || line == "\n") return finish_head();
  if (const auto [status, phrase] = parse_status_line(line); status != 0) {
    if (!line.starts_with("HTTP/1.")) {
      head_fault = "it answers with " + std::string(line.substr(0, line.find(' ')));
      return false;
    }
    answer->status = status;
    answer->status_text = phrase;
    answer->head.clear();
    return true;
  }
  answer->head += line;
  return true;
}

bool HttpExchange::Impl::finish_head() {
  const bool upgraded = answer->status == status_upgraded;
  if (answer->status < 200 && !upgraded) {  // interim: another head follows
    answer->status = 0;
    return true;
  }
  head_complete = true;
  note_peer();
  // What follows is no HTTP any more, and libcurl would wait for it.
  stopped = upgraded;
  if (stopped) return false;
  if (lengths_differ(answer->head)) {
    head_fault = "two Content-Length headers differ";
    return false;
  }
  const auto wanted = request->body_wanted ? request->body_wanted(answer->status) : std::nullopt;
  if (!wanted) return true;
  body_limit = *wanted;
  limit_is_wish = true;
  stopped = body_limit == 0;
  return !stopped;
}

bool HttpExchange::Impl::take_body(std::string_view bytes) {
  const auto room = body_limit - answer->body.size();
  answer->body.append(bytes.substr(0, room));
  if (bytes.size() <= room) return true;
  answer->body_cut = true;
  (limit_is_wish ? stopped : body_too_large) = true;
  return false;
}

void HttpExchange::Impl::note_peer() const {
  curl_tlssessioninfo* info = nullptr;
  if (curl_easy_getinfo(easy.get(), CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK) return;
  if (info == nullptr || info->internals == nullptr) return;
  answer->peer = tls::peer_of(static_cast<const SSL*>(info->internals));
}

CURLcode HttpExchange::Impl::code_of_finished() const {
  int left = 0;
  CURLcode code = CURLE_OK;
  while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
    if (message->msg == CURLMSG_DONE) code = message->data.result;
  }
  return code;
}

HttpExchange::Impl::End HttpExchange::Impl::drive(const Deadline& deadline, CURLcode& code) const {
  curl_waitfd interrupt{};
  interrupt.fd = deadline.interrupt_fd();
  interrupt.events = CURL_WAIT_POLLIN;
  const unsigned extra = deadline.interrupt_fd() >= 0 ? 1 : 0;
  while (true) {
    int running = 0;
    const CURLMcode performed = curl_multi_perform(multi.get(), &running);
    VITALS_ASSERT(performed == CURLM_OK);
    if (running == 0) {
      code = code_of_finished();
      return End::done;
    }
    if (deadline.expired()) return End::timeout;
    const CURLMcode polled =
        curl_multi_poll(multi.get(), &interrupt, extra, deadline.remaining_ms(), nullptr);
    VITALS_ASSERT(polled == CURLM_OK);
    if (extra != 0 && interrupt.revents != 0) return End::interrupted;
  }
}

curl_off_t HttpExchange::Impl::time_of(CURLINFO info) const {
  curl_off_t value = 0;
  curl_easy_getinfo(easy.get(), info, &value);
  return value;
}

void HttpExchange::Impl::note_phases(TimePoint start) const {
  const Elapsed total = Clock::now() - start;
  const auto connected = time_of(CURLINFO_CONNECT_TIME_T);
  const auto secured = time_of(CURLINFO_APPCONNECT_TIME_T);
  const auto asked = time_of(CURLINFO_PRETRANSFER_TIME_T);
  const auto answered = time_of(CURLINFO_STARTTRANSFER_TIME_T);
  if (secured > 0) answer->phases.set(Phase::tls, microseconds(secured - connected));
  if (answered <= 0) return;
  answer->phases.set(Phase::request, microseconds(std::max<curl_off_t>(0, answered - asked)));
  answer->phases.set(Phase::transfer, std::max(Elapsed::zero(), total - microseconds(answered)));
}

std::string HttpExchange::Impl::text(std::string_view fallback) const {
  return error_text[0] != '\0' ? std::string(error_text.data()) : std::string(fallback);
}

net::Failure HttpExchange::Impl::tls_failure() const {
  const std::string_view said = error_text.data();
  if (const auto error = openssl_error_in(said))
    return tls::handshake_failure(X509_V_OK, error, request->host);
  // No error of OpenSSL's own: the socket ended under it.
  if (said.find("SSL_ERROR_SYSCALL") != std::string_view::npos ||
      said.find("Connection reset") != std::string_view::npos ||
      said.find("Broken pipe") != std::string_view::npos) {
    return {Reason::reset, "the server closed the connection in the TLS handshake"};
  }
  return {Reason::tls, "TLS handshake: " + text("failed")};
}

net::Failure HttpExchange::Impl::verify_failure() const {
  long result = X509_V_OK;
  curl_easy_getinfo(easy.get(), CURLINFO_SSL_VERIFYRESULT, &result);
  // libcurl compares the names of a certificate itself; OpenSSL knows nothing of that.
  if (result == X509_V_OK || result == X509_V_ERR_UNSPECIFIED) {
    return {Reason::tls_verify, text("the certificate is for another host")};
  }
  return tls::handshake_failure(result, 0, request->host);
}

net::Failure HttpExchange::Impl::receive_failure() const {
  long error = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_OS_ERRNO, &error);
  const std::string where = answer->status != 0 ? "in mid-answer" : "before an answer";
  if (error != 0) return net::from_errno(static_cast<int>(error), "connection lost " + where);
  const std::string_view said = error_text.data();
  if (said.find("unexpected eof") != std::string_view::npos ||
      said.find("SSL_ERROR_SYSCALL") != std::string_view::npos) {
    return {Reason::reset, "the server closed the connection " + where};
  }
  if (said.find("CONNECT aborted") != std::string_view::npos) {
    return {Reason::reset, "the proxy closed the connection without an answer to CONNECT"};
  }
  if (const auto code = openssl_error_in(said))
    return tls::handshake_failure(X509_V_OK, code, request->host);
  return protocol_failure();
}

net::Failure HttpExchange::Impl::write_failure() const {
  if (head_too_large) {
    return {Reason::too_large, "the header is longer than " + std::to_string(head_max) + " bytes"};
  }
  if (body_too_large) {
    return {Reason::too_large,
            "the body is longer than max_body, " + std::to_string(request->body_max) + " bytes"};
  }
  return protocol_failure();
}

net::Failure HttpExchange::Impl::protocol_failure() const {
  return {Reason::protocol,
          "not a proper HTTP answer: " + (head_fault.empty() ? text("unreadable") : head_fault)};
}

net::Failure HttpExchange::Impl::proxy_failure(long status) const {
  return {Reason::status, "the proxy answered " + std::to_string(status) + " to CONNECT"};
}

net::Failure HttpExchange::Impl::timeout_failure() const {
  if (answer->status != 0) {
    return {Reason::timeout, "answer not finished: HTTP " + std::to_string(answer->status) + ", " +
                                 std::to_string(answer->body.size()) + " bytes of body so far"};
  }
  if (time_of(CURLINFO_STARTTRANSFER_TIME_T) > 0) {
    return {Reason::timeout, "answer not finished: its header is incomplete"};
  }
  const bool secure = request->url.starts_with("https:");
  if (secure && time_of(CURLINFO_APPCONNECT_TIME_T) == 0) {
    return {Reason::timeout, request->proxy
                                 ? "connected to the proxy, but no TLS connection through it"
                                 : "connected, but the TLS handshake did not finish"};
  }
  return {Reason::timeout, "connected, but no answer to the request"};
}

std::optional<net::Failure> HttpExchange::Impl::classify(CURLcode code) const {
  if (stopped) return std::nullopt;
  if (context_failure) return context_failure;
  if (code == CURLE_OK) {
    if (head_complete) return std::nullopt;
    return net::Failure{Reason::reset, "the server closed the connection in its header"};
  }
  long proxy_status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_HTTP_CONNECTCODE, &proxy_status);
  if (proxy_status >= 300) return proxy_failure(proxy_status);
  switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
      return tls_failure();
    case CURLE_PEER_FAILED_VERIFICATION:
      return verify_failure();
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_USE_SSL_FAILED:
      return net::Failure{Reason::tls, text("TLS failed")};
    case CURLE_RECV_ERROR:
      return receive_failure();
    case CURLE_SEND_ERROR:
      return net::Failure{Reason::reset,
                          "the server closed the connection before the request was sent"};
    case CURLE_GOT_NOTHING:
      return net::Failure{Reason::reset, "the server closed the connection without an answer"};
    case CURLE_PARTIAL_FILE:
      return net::Failure{Reason::reset, "the server closed the connection in mid-answer: " +
                                             text("the body is too short")};
    case CURLE_WRITE_ERROR:
      return write_failure();
    case CURLE_TOO_LARGE:  // one header line beyond libcurl's own limit
      return net::Failure{Reason::too_large, text("a header line is too long")};
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_HTTP2:
    case CURLE_BAD_CONTENT_ENCODING:
      return protocol_failure();
    case CURLE_PROXY:
      return net::Failure{Reason::protocol, "the proxy: " + text("does not speak HTTP")};
    case CURLE_OPERATION_TIMEDOUT:
      return timeout_failure();
    default:
      return net::Failure{Reason::internal, "libcurl " + std::to_string(code) + ": " +
                                                text(curl_easy_strerror(code))};
  }
}

HttpExchange::HttpExchange() : impl_(std::make_unique<Impl>()) {}
HttpExchange::~HttpExchange() = default;

ExchangeAnswer HttpExchange::run(const ExchangeRequest& request, Fd connection,
                                 const Deadline& deadline) {
  auto& impl = *impl_;
  ExchangeAnswer answer;
  impl.request = &request;
  impl.answer = &answer;
  impl.connection = std::move(connection);
  if (auto failure = impl.prepare()) {
    answer.failure = std::move(failure);
    impl.connection.reset();
    return answer;
  }
  // The private key of a context is not forgotten by setting another.
  const TlsReuse::Use use(impl.reuse, request.tls.client_cert.empty());
  const auto start = Clock::now();
  const CURLMcode added = curl_multi_add_handle(impl.multi.get(), impl.easy.get());
  VITALS_ASSERT(added == CURLM_OK);
  CURLcode code = CURLE_OK;
  const auto end = impl.drive(deadline, code);
  impl.note_phases(start);
  switch (end) {
    case Impl::End::done:
      answer.failure = impl.classify(code);
      break;
    case Impl::End::timeout:
      if (!answer.peer) impl.note_peer();  // a handshake that was followed by silence
      answer.failure = impl.timeout_failure();
      break;
    case Impl::End::interrupted:
      answer.failure = net::interrupted();
      break;
  }
  if (answer.failure && !answer.peer) answer.peer = impl.shown;
  curl_multi_remove_handle(impl.multi.get(), impl.easy.get());
  impl.connection.reset();  // when libcurl never asked for it
  impl.request = nullptr;
  impl.answer = nullptr;
  return answer;
}

std::optional<std::string> HttpExchange::resolve_reference(const std::string& base,
                                                           const std::string& location) {
  const std::unique_ptr<CURLU, UrlFree> url(curl_url());
  VITALS_ASSERT(url != nullptr);
  if (curl_url_set(url.get(), CURLUPART_URL, base.c_str(), CURLU_PATH_AS_IS) != CURLUE_OK ||
      curl_url_set(url.get(), CURLUPART_URL, location.c_str(),
                   CURLU_PATH_AS_IS | CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return std::nullopt;
  }
  char* text = nullptr;
  if (curl_url_get(url.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) return std::nullopt;
  const std::unique_ptr<char, StringFree> owned(text);
  return std::string(text);
}

}  // namespace vitals::http

namespace vitals {

void initialise_http() {
  const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  VITALS_ASSERT(code == CURLE_OK);
}

}  // namespace vitals
