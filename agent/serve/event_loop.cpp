// The epoll loop: waiting, time-outs, and connections that come and go.
#include "agent/serve/event_loop.hpp"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace vitals::http {
namespace {

constexpr std::size_t receive_size = 16 * 1024;
constexpr std::size_t events_per_turn = 256;
/// At least so many descriptors, and at least this share of them, are not for clients.
constexpr std::size_t reserved_descriptors_min = 64;
constexpr std::size_t reserved_share = 4;
constexpr std::size_t connections_min = 16;

// Slots count from 0, so these two can't be the id of a connection.
constexpr std::uint64_t listener_id = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t wake_id = listener_id - 1;

constexpr std::uint32_t slot_of(std::uint64_t id) { return static_cast<std::uint32_t>(id); }
constexpr std::uint32_t generation_of(std::uint64_t id) {
  return static_cast<std::uint32_t>(id >> 32U);
}

std::size_t open_files_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return connections_min;
  return static_cast<std::size_t>(limit.rlim_cur);
}

bool is_loopback(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    return (ntohl(v4.sin_addr.s_addr) >> 24U) == 127;
  }
  if (peer.ss_family != AF_INET6) return false;
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr;
  // An IPv4 client of a dual-stack listener comes as ::ffff:a.b.c.d.
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6);
}

bool out_of_descriptors(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

std::size_t connections_for(const ServerLimits& limits, std::size_t descriptors) {
  const auto reserved =
      std::max(reserved_descriptors_min + limits.descriptors_kept, descriptors / reserved_share);
  const auto free = descriptors > reserved ? descriptors - reserved : 0;
  return std::min(limits.connections_max, std::max(free, connections_min));
}

EventLoop::EventLoop(Fd listener, ServerLimits limits, const Handler& handler,
                     std::vector<std::string> slow_paths, ServerStats& stats)
    : limits_(limits),
      head_limits_{limits.request_line_max, limits.head_max},
      connections_max_(connections_for(limits, open_files_limit())),
      slow_paths_(std::move(slow_paths)),
      stats_(stats),
      listener_(std::move(listener)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      router_(handler),
      now_(Clock::now()),
      scratch_(receive_size) {
  VITALS_ASSERT(epoll_ && wake_);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = wake_id;
  VITALS_ASSERT(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) == 0);
  event.data.u64 = listener_id;
  VITALS_ASSERT(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), &event) == 0);
  slow_lane_ = std::make_unique<SlowLane>(handler, [this] {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(wake_.get(), &one, sizeof one);
  });
}

EventLoop::~EventLoop() = default;

std::optional<Error> EventLoop::start_worker() { return slow_lane_->start(); }

void EventLoop::request_stop(Duration limit) {
  stop_limit_ = std::max<Duration::rep>(limit.count(), 0);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake_.get(), &one, sizeof one);
}

void EventLoop::run() {
  while (!stopped()) turn(next_wait_ms());
}

void EventLoop::serve_waiting() { turn(0); }

bool EventLoop::stopped() const {
  if (!stop_at_) return false;
  const bool all_left = lists_[static_cast<std::size_t>(Phase::working)].front() == nullptr &&
                        lists_[static_cast<std::size_t>(Phase::writing)].front() == nullptr &&
                        lists_[static_cast<std::size_t>(Phase::lingering)].front() == nullptr;
  return all_left || now_ >= *stop_at_;
}

void EventLoop::turn(int wait_ms) {
  std::array<epoll_event, events_per_turn> events;  // filled by the kernel
  const int count =
      epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_ms);
  now_ = Clock::now();
  const auto before = count_;
  bool clients = false;
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == listener_id) {
      clients = true;
    } else if (event.data.u64 == wake_id) {
      take_wake_up();
    } else if (auto* connection = find(event.data.u64)) {
      handle_event(*connection, event.events);
    }
  }
  if (clients) accept_clients();
  serve_queued();
  expire();
  drop_holders();
  closed_.clear();
  if (count_ != before) stats_.set_connections(count_);
}

void EventLoop::take_wake_up() {
  std::uint64_t ignored = 0;
  [[maybe_unused]] const auto size = read(wake_.get(), &ignored, sizeof ignored);
  finish_slow_answers();
  if (stop_limit_ >= 0 && !stop_at_) begin_stop();
}

std::optional<Duration> EventLoop::timeout_of(Phase phase) const {
  switch (phase) {
    case Phase::idle:
      return limits_.silent_timeout;
    case Phase::receiving:
      return limits_.head_timeout;
    case Phase::working:
      return std::nullopt;  // the handler is ours and ends
    case Phase::writing:
      return answer_timeout;
    case Phase::lingering:
      return linger_timeout;
  }
  VITALS_ASSERT(false);
  return std::nullopt;
}

int EventLoop::next_wait_ms() const {
  if (!queued_.empty()) return 0;
  auto next = TimePoint::max();
  for (std::size_t i = 0; i < phase_count; ++i) {
    const auto* front = lists_[i].front();
    const auto limit = timeout_of(static_cast<Phase>(i));
    if (front != nullptr && limit) next = std::min(next, front->since + *limit);
  }
  if (stop_at_) next = std::min(next, *stop_at_);
  if (accept_again_) next = std::min(next, *accept_again_);
  if (next == TimePoint::max()) return -1;
  return Deadline(next).remaining_ms();
}

void EventLoop::expire() {
  if (accept_again_ && *accept_again_ <= now_) {
    accept_again_.reset();
    watch_listener(true);
  }
  for (std::size_t i = 0; i < phase_count; ++i) expire_phase(static_cast<Phase>(i));
}

void EventLoop::expire_phase(Phase phase) {
  const auto limit = timeout_of(phase);
  if (!limit) return;
  const auto& list = lists_[static_cast<std::size_t>(phase)];
  while (list.front() != nullptr && list.front()->since + *limit <= now_) {
    Connection& connection = *list.front();
    if (phase != Phase::receiving) {
      close(connection);
      continue;
    }
    refuse(connection, {408, "the request did not arrive whole in time"});
    send_answers(connection);
    settle(connection);
  }
}

void EventLoop::serve_queued() {
  const auto turn = std::exchange(queued_, {});
  for (const auto id : turn) {
    auto* connection = find(id);
    if (connection == nullptr) continue;
    connection->queued = false;
    advance(*connection);
  }
}

void EventLoop::begin_stop() {
  stop_at_ = Clock::now() + Duration(stop_limit_.load());
  // Clients in the kernel's queue were promised an answer when their connect succeeded.
  if (!accept_again_) accept_clients();
  listener_.reset();
  accept_again_.reset();
  for (const auto phase : {Phase::idle, Phase::receiving}) {
    const auto& list = lists_[static_cast<std::size_t>(phase)];
    while (list.front() != nullptr) close(*list.front());
  }
}

void EventLoop::watch_listener(bool on) {
  if (!listener_) return;
  epoll_event event{};
  event.events = on ? EPOLLIN : 0U;
  event.data.u64 = listener_id;
  VITALS_ASSERT(epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener_.get(), &event) == 0);
}

void EventLoop::accept_clients() {
  if (!listener_) return;
  for (int i = 0; i < accepts_per_turn; ++i) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    Fd fd(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &length,
                  SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      add(std::move(fd), is_loopback(peer));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (!out_of_descriptors(errno)) continue;  // this client is gone already
    if (auto* victim = oldest()) {
      close(*victim);
      continue;
    }
    accept_again_ = now_ + accept_pause;
    watch_listener(false);
    return;
  }
}

void EventLoop::add(Fd fd, bool from_loopback) {
  if (count_ >= connections_max_) {
    auto* victim = oldest();
    if (victim == nullptr) return;  // all are being answered
    close(*victim);
  }
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const auto index = free_slots_.back();
  auto& slot = slots_[index];
  const auto id = (static_cast<std::uint64_t>(slot.generation) << 32U) | index;
  epoll_event event{};
  // Edges: `readable` remembers them, and a quiet connection costs no system call.
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  event.data.u64 = id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) return;
  free_slots_.pop_back();
  slot.connection = std::make_unique<Connection>();
  auto& connection = *slot.connection;
  connection.fd = std::move(fd);
  connection.id = id;
  connection.from_loopback = from_loopback;
  connection.since = now_;
  lists_[static_cast<std::size_t>(Phase::idle)].push_back(connection);
  ++count_;
  advance(connection);
}

// The object lives until the turn ends: callers up the stack may still look at it.
void EventLoop::close(Connection& connection) {
  if (!connection.fd) return;
  lists_[static_cast<std::size_t>(connection.phase)].remove(connection);
  connection.fd.reset();
  release(connection.in);
  release(connection.out);
  count_held(connection);
  --count_;
  auto& slot = slots_[slot_of(connection.id)];
  ++slot.generation;
  free_slots_.push_back(slot_of(connection.id));
  closed_.push_back(std::move(slot.connection));
}

Connection* EventLoop::find(std::uint64_t id) const {
  VITALS_ASSERT(slot_of(id) < slots_.size());
  const auto& slot = slots_[slot_of(id)];
  return slot.generation == generation_of(id) ? slot.connection.get() : nullptr;
}

Connection* EventLoop::oldest() const {
  Connection* found = nullptr;
  for (const auto phase : {Phase::lingering, Phase::idle, Phase::receiving, Phase::writing}) {
    auto* front = lists_[static_cast<std::size_t>(phase)].front();
    if (front != nullptr && (found == nullptr || front->since < found->since)) found = front;
  }
  return found;
}

void EventLoop::drop_holders() {
  const auto& receiving = lists_[static_cast<std::size_t>(Phase::receiving)];
  const auto& writing = lists_[static_cast<std::size_t>(Phase::writing)];
  while (held_input_ > held_input_max && receiving.front() != nullptr) close(*receiving.front());
  while ((held_output_ > held_output_max || held_input_ > held_input_max) &&
         writing.front() != nullptr) {
    close(*writing.front());
  }
}

}  // namespace vitals::http
