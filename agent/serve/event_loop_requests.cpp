// The epoll loop: what happens on one connection, from bytes to requests to answers.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/serve/event_loop.hpp"

namespace vitals::http {
namespace {

/// The buffer that all answers pass through is not kept larger than this.
constexpr std::size_t answers_kept_max = 64 * 1024;

/// A buffer inside the string object costs nothing that could be given back.
std::size_t heap_bytes(const std::string& buffer) {
  static const std::size_t inside = std::string().capacity();
  return buffer.capacity() > inside ? buffer.capacity() : 0;
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

void EventLoop::handle_event(Connection& connection, std::uint32_t events) {
  // Both directions are over: nobody is left to read an answer.
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return close(connection);
  if ((events & (EPOLLIN | EPOLLRDHUP)) != 0) connection.readable = true;
  if ((events & EPOLLRDHUP) != 0) connection.hung_up = true;
  if ((events & EPOLLOUT) != 0) flush(connection);
  if (connection.fd) advance(connection);
}

bool EventLoop::takes_requests(const Connection& connection) const {
  return connection.fd && connection.phase != Phase::working &&
         connection.phase != Phase::lingering && connection.out.empty() && !connection.closing;
}

// Reads and answers until there is nothing to do, or until it is somebody else's turn.
void EventLoop::advance(Connection& connection) {
  if (connection.phase == Phase::lingering) return linger(connection);
  int served = 0;
  while (takes_requests(connection)) {
    if (served >= requests_per_turn) {
      queue(connection);
      break;
    }
    if (connection.more) {
      served += take_requests(connection, {});
    } else if (connection.readable) {
      served += take_requests(connection, receive(connection));
    } else {
      break;
    }
    send_answers(connection);
  }
  settle(connection);
}

std::string_view EventLoop::receive(Connection& connection) {
  const auto size = recv(connection.fd.get(), scratch_.data(), scratch_.size(), 0);
  if (size > 0) {
    // Less than we had room for: the kernel has no more, and tells us when that changes. A hang-up
    // was told already.
    if (static_cast<std::size_t>(size) < scratch_.size() && !connection.hung_up) {
      connection.readable = false;
    }
    return {scratch_.data(), static_cast<std::size_t>(size)};
  }
  connection.readable = false;
  if (size == 0) {
    connection.ended = true;
  } else if (!would_block(errno)) {
    close(connection);
  } else if (errno == EINTR) {
    connection.readable = true;
  }
  return {};
}

/// Answers whole requests in order, keeps the rest; returns how many were answered.
int EventLoop::take_requests(Connection& connection, std::string_view fresh) {
  if (!connection.fd) return 0;
  const bool kept = !connection.in.empty();
  if (kept) connection.in += fresh;
  const std::string_view bytes = kept ? std::string_view(connection.in) : fresh;
  std::size_t used = 0;
  int served = 0;
  connection.more = false;
  while (used < bytes.size() && takes_requests(connection)) {
    if (served >= requests_per_turn || answers_.size() > pipeline_output_max) break;
    const auto step = take_request(connection, bytes.substr(used));
    if (step == 0) break;
    used += step;
    ++served;
  }
  connection.more =
      used < bytes.size() && (served >= requests_per_turn || !takes_requests(connection) ||
                              answers_.size() > pipeline_output_max);
  if (connection.closing) used = bytes.size();
  if (!kept) {
    connection.in.assign(bytes.substr(used));
  } else if (used == bytes.size()) {
    release(connection.in);
  } else {
    connection.in.erase(0, used);
  }
  return served;
}

/// 0: the bytes are not enough yet, and all of them are wanted again with the next ones.
std::size_t EventLoop::take_request(Connection& connection, std::string_view bytes) {
  return connection.pending ? take_body(connection, bytes) : take_head(connection, bytes);
}

std::size_t EventLoop::take_head(Connection& connection, std::string_view bytes) {
  auto& scanner = connection.scanner;
  const auto* known =
      scanner.untouched() ? router_.known(bytes, connection.from_loopback) : nullptr;
  if (known != nullptr && repeat(connection, *known)) return known->bytes.size();
  const auto state = scanner.scan(bytes, head_limits_);
  if (state == HeadScanner::State::more) return 0;
  if (state == HeadScanner::State::rejected) {
    refuse(connection, scanner.rejection());
    return bytes.size();
  }
  const auto end = scanner.end();
  const auto whole = bytes.substr(scanner.begin(), end - scanner.begin());
  auto head = parse_head(whole);
  scanner = {};
  if (!head) {
    refuse(connection, head.error());
  } else if (head.value().chunked || head.value().content_length > 0) {
    begin_body(connection, std::move(head).value(), end == bytes.size());
  } else {
    dispatch(connection, std::move(head).value(), {}, whole);
  }
  return end;
}

void EventLoop::begin_body(Connection& connection, RequestHead head, bool waits) {
  BodyReader body(head, limits_.body_max);
  if (body.state() == BodyReader::State::rejected) return refuse(connection, body.rejection());
  if (head.expects_continue && waits) answers_ += "HTTP/1.1 100 Continue\r\n\r\n";
  connection.pending =
      std::make_unique<PendingRequest>(PendingRequest{std::move(head), std::move(body)});
}

std::size_t EventLoop::take_body(Connection& connection, std::string_view bytes) {
  auto& body = connection.pending->body;
  const auto used = body.feed(bytes);
  switch (body.state()) {
    case BodyReader::State::more:
      break;
    case BodyReader::State::rejected:
      refuse(connection, body.rejection());
      break;
    case BodyReader::State::complete: {
      const auto request = std::move(connection.pending);
      dispatch(connection, std::move(request->head), request->body.take(), {});
      break;
    }
  }
  return used;
}

// By value: the rejection may live in the pending request that ends here.
void EventLoop::refuse(Connection& connection, Rejection rejection) {
  append_refusal(rejection, answers_);
  connection.pending.reset();
  connection.closing = true;
  stats_.count("other", rejection.status, Clock::now() - now_);
}

// A slow path may hide behind percent-encoding; nothing else that we serve is encoded.
bool EventLoop::is_slow(std::string_view target) const {
  const auto path = target.substr(0, target.find('?'));
  return path.find('%') != std::string_view::npos ||
         std::find(slow_paths_.begin(), slow_paths_.end(), path) != slow_paths_.end();
}

void EventLoop::dispatch(Connection& connection, RequestHead head, std::string body,
                         std::string_view bytes) {
  const bool keep_alive = head.keep_alive && !stop_at_;
  connection.renewed = true;
  if (!keep_alive) connection.closing = true;
  SlowJob job{connection.id, std::move(head), std::move(body), connection.from_loopback,
              keep_alive,    Clock::now()};
  if (is_slow(job.head.target)) {
    if (slow_lane_->push(job)) return enter(connection, Phase::working);
    append_busy(job.head, keep_alive, answers_);
    return stats_.count("other", 503, Clock::now() - job.started);
  }
  if (answer_here(job, true, bytes)) return;
  if (slow_lane_->push(job)) return enter(connection, Phase::working);
  // Late is better than wrong: a full queue must not look like a failing health check.
  VITALS_ASSERT(answer_here(job, false, {}));
}

/// False: the handler deferred it, and nothing has happened yet.
bool EventLoop::repeat(Connection& connection, const KnownRequest& known) {
  const auto started = Clock::now();
  const bool keep_alive = known.head.keep_alive && !stop_at_;
  const auto answered = router_.repeat(known, keep_alive, answers_);
  if (answered.deferred) return false;
  connection.renewed = true;
  if (!keep_alive) connection.closing = true;
  stats_.count(answered.endpoint, answered.status, Clock::now() - started);
  return true;
}

bool EventLoop::answer_here(const SlowJob& job, bool may_defer, std::string_view bytes) {
  const auto answered = router_.answer(
      {job.head, job.body, job.from_loopback, job.keep_alive, may_defer, bytes}, answers_);
  if (answered.deferred) return false;
  stats_.count(answered.endpoint, answered.status, Clock::now() - job.started);
  return true;
}

void EventLoop::finish_slow_answers() {
  for (auto& answer : slow_lane_->take()) {
    stats_.count(answer.answered.endpoint, answer.answered.status, Clock::now() - answer.started);
    auto* connection = find(answer.connection);
    if (connection == nullptr) continue;
    enter(*connection, Phase::idle);
    answers_ = std::move(answer.bytes);
    send_answers(*connection);
    advance(*connection);
  }
}

// Straight to the socket: almost always it takes all, and nothing is copied or waited for.
void EventLoop::send_answers(Connection& connection) {
  if (answers_.empty()) return;
  if (connection.fd) {
    connection.out.empty() ? connection.out.swap(answers_)
                           : static_cast<void>(connection.out += answers_);
    flush(connection);
  }
  // Whatever buffer was left behind serves the next connection.
  if (connection.out.empty()) answers_.swap(connection.out);
  if (answers_.capacity() > answers_kept_max) release(answers_);
  answers_.clear();
}

void EventLoop::flush(Connection& connection) {
  auto& out = connection.out;
  while (connection.sent < out.size()) {
    const auto size = send(connection.fd.get(), out.data() + connection.sent,
                           out.size() - connection.sent, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && would_block(errno)) return watch_writes(connection, true);
    if (size < 0) return close(connection);
    connection.sent += static_cast<std::size_t>(size);
  }
  connection.sent = 0;
  out.clear();
  watch_writes(connection, false);
}

void EventLoop::watch_writes(Connection& connection, bool on) {
  if (connection.watches_writes == on) return;
  connection.watches_writes = on;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (on ? EPOLLOUT : 0U);
  event.data.u64 = connection.id;
  VITALS_ASSERT(epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event) == 0);
}

// Puts the connection where it waits next.
void EventLoop::settle(Connection& connection) {
  if (!connection.fd || connection.phase == Phase::working) return;
  if (!connection.out.empty()) {
    if (connection.phase != Phase::writing) enter(connection, Phase::writing);
    return count_held(connection);
  }
  release(connection.out);
  if (connection.closing) return begin_linger(connection);
  if (connection.ended) return close(connection);
  const bool partial = !connection.in.empty() || connection.pending;
  if (!partial) {
    enter(connection, Phase::idle);
  } else if (connection.phase != Phase::receiving || connection.renewed) {
    enter(connection, Phase::receiving);
  }
  count_held(connection);
}

void EventLoop::begin_linger(Connection& connection) {
  release(connection.in);
  count_held(connection);
  if (connection.ended || shutdown(connection.fd.get(), SHUT_WR) != 0) return close(connection);
  enter(connection, Phase::lingering);
  linger(connection);
}

void EventLoop::linger(Connection& connection) {
  while (connection.readable) {
    const auto bytes = receive(connection);
    if (!connection.fd) return;
    connection.lingered += bytes.size();
    if (connection.ended || connection.lingered > linger_bytes_max) return close(connection);
  }
}

void EventLoop::enter(Connection& connection, Phase phase) {
  lists_[static_cast<std::size_t>(connection.phase)].remove(connection);
  connection.phase = phase;
  connection.since = now_;
  connection.renewed = false;
  lists_[static_cast<std::size_t>(phase)].push_back(connection);
}

void EventLoop::queue(Connection& connection) {
  if (connection.queued) return;
  connection.queued = true;
  queued_.push_back(connection.id);
}

void EventLoop::count_held(Connection& connection) {
  const auto input = heap_bytes(connection.in);
  const auto output = heap_bytes(connection.out);
  held_input_ += input - connection.held_input;
  held_output_ += output - connection.held_output;
  connection.held_input = input;
  connection.held_output = output;
}

}  // namespace vitals::http
