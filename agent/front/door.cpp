// The front door's loop: waiting, time-outs, and clients that come and go.
#include "agent/front/door.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace vitals::front {
namespace {

constexpr std::size_t events_per_turn = 256;
constexpr std::size_t clients_min = 16;
/// After a resume the agent's last word stands so long, as its own answers do (contract §4.9).
constexpr Duration resume_grace{5'000};
constexpr Duration any_age = std::chrono::hours(24 * 365);

// Slots count from 0, so these two can't be the id of a session.
constexpr std::uint64_t listener_id = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t wake_id = listener_id - 1;

/// The app sees our loopback connection only, so that we have to notice clients that vanished.
/// Their sockets inherit it from the listener.
void watch_for_silence(int fd) {
  constexpr int on = 1;
  constexpr int idle_seconds = 60;
  constexpr int pause_seconds = 15;
  constexpr int attempts = 4;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &pause_seconds, sizeof pause_seconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &attempts, sizeof attempts);
}

std::optional<Duration> limit_of(Stage stage) {
  switch (stage) {
    case Stage::silent:
      return silent_limit;
    case Stage::receiving:
      return head_limit;
    case Stage::arriving:
      return boot_limit;
    case Stage::flowing:
      return std::nullopt;
    case Stage::ending:
      return ending_limit;
    case Stage::lingering:
      return linger_limit;
  }
  VITALS_ASSERT(false);
  return std::nullopt;
}

}  // namespace

std::size_t clients_for(std::size_t descriptors) {
  const auto free = descriptors > reserved_descriptors ? descriptors - reserved_descriptors : 0;
  return std::max(free / 2, clients_min);
}

Door::Door(Fd listener, DoorSettings settings, Page& page, DoorListener tell)
    : settings_(std::move(settings)),
      page_(page),
      tell_(std::move(tell)),
      listener_(std::move(listener)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      pipes_(pipes_max),
      scratch_(read_size),
      now_(Clock::now()),
      clock_(Instant::now()),
      tick_at_(now_ + clock_tick) {
  VITALS_ASSERT(epoll_ && wake_ && !settings_.upstream.empty());
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = wake_id;
  VITALS_ASSERT(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) == 0);
  event.data.u64 = listener_id;
  VITALS_ASSERT(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), &event) == 0);
  watch_for_silence(listener_.get());
  // What a door before us left.
  page_.set_in_flight(0, now_);
  page_.set_connections(0, now_);
}

Door::~Door() = default;

void Door::request_stop(Duration limit) {
  stop_limit_ = std::max<Duration::rep>(limit.count(), 0);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake_.get(), &one, sizeof one);
}

void Door::run() {
  while (!stopped()) turn();
}

bool Door::stopped() const { return stop_at_ && (sessions_ == 0 || now_ >= *stop_at_); }

/// The client's side has all that we sent: once the Machine stops, the kernel sends no more.
bool Door::delivered(const Session& session) {
  int unacknowledged = 0;
  return ioctl(session.client.fd.get(), SIOCOUTQ, &unacknowledged) != 0 || unacknowledged == 0;
}

/// While we stop, nothing but time tells that a client took the last bytes; and whoever waits for
/// the app to boot waits for nothing.
void Door::look_at_stopping() {
  if (!stop_at_ || now_ < stop_look_at_) return;
  stop_look_at_ = now_ + stop_look;
  for (const auto& slot : slots_) {
    if (!slot.session) continue;
    Session& session = *slot.session;
    if (session.route == Route::waiting) refuse(session, 503, "draining");
    advance(session);
  }
}

void Door::turn() {
  std::array<epoll_event, events_per_turn> events;  // filled by the kernel
  const int count =
      epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), next_wait_ms());
  now_ = Clock::now();
  look_at_clock();
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    handle(event.data.u64, event.events);
  }
  serve_queued();
  expire();
  look_at_stopping();
  drop_held_heads();
  closed_.clear();
}

void Door::handle(std::uint64_t data, std::uint32_t events) {
  if (data == listener_id) return accept_clients();
  if (data == wake_id) return take_wake_up();
  Session* const session = find(data >> 1U);
  if (session == nullptr) return;
  Side& side = (data & 1U) != 0 ? session->app : session->client;
  if (!side.fd) return;
  if (&side == &session->app && session->route == Route::connecting) {
    finish_connect(*session);
    if (session->route != Route::connected) return advance(*session);
  }
  const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  side.readable |= broken || (events & (EPOLLIN | EPOLLRDHUP)) != 0;
  side.writable |= broken || (events & EPOLLOUT) != 0;
  side.hung_up |= broken || (events & EPOLLRDHUP) != 0;
  // While nothing is read from it, this is the only sign that a client went away.
  if ((events & EPOLLERR) != 0 && &side == &session->client) {
    session->cutting = true;
    return close(*session);
  }
  advance(*session);
}

void Door::look_at_clock() {
  if (now_ < tick_at_) return;
  const Instant now = Instant::now();
  if (clock_.gap(now)) grace_until_ = now_ + resume_grace;
  clock_.look(now);
  if (grace_until_ && now_ >= *grace_until_) grace_until_.reset();
  tick_at_ = now_ + clock_tick;
  clock_.expect(tick_at_);
}

void Door::take_wake_up() {
  std::uint64_t ignored = 0;
  [[maybe_unused]] const auto size = read(wake_.get(), &ignored, sizeof ignored);
  if (stop_limit_ >= 0 && !stop_at_) begin_stop();
}

void Door::begin_stop() {
  stop_at_ = now_ + Duration(stop_limit_.load());
  listener_.reset();
  accept_again_.reset();
  hold_draining(true);
  // Who has just come with a request is read before it is looked at.
  stop_look_at_ = now_ + stop_look;
}

int Door::next_wait_ms() const {
  if (!queued_.empty()) return 0;
  auto next = tick_at_;
  for (std::size_t i = 0; i < stage_count; ++i) {
    const auto* front = stages_[i].front();
    const auto limit = limit_of(static_cast<Stage>(i));
    if (front != nullptr && limit) next = std::min(next, front->since + *limit);
  }
  for (const auto& moment : {stop_at_, accept_again_, retry_at_}) {
    if (moment) next = std::min(next, *moment);
  }
  if (stop_at_) next = std::min(next, stop_look_at_);
  return Deadline(next).remaining_ms();
}

void Door::expire() {
  if (accept_again_ && *accept_again_ <= now_) {
    accept_again_.reset();
    watch_listener(true);
  }
  if (retry_at_ && *retry_at_ <= now_) {
    retry_at_.reset();
    retry(1);
  }
  for (std::size_t i = 0; i < stage_count; ++i) expire_stage(static_cast<Stage>(i));
}

void Door::expire_stage(Stage stage) {
  const auto limit = limit_of(stage);
  auto& list = stages_[static_cast<std::size_t>(stage)];
  while (limit && list.front() != nullptr && list.front()->since + *limit <= now_) {
    time_out(*list.front());
  }
}

/// Ends the session, or puts it into another stage.
void Door::time_out(Session& session) {
  switch (session.stage) {
    case Stage::receiving:
      refuse(session, 408, "the head of the request did not come within 30 seconds");
      return advance(session);
    case Stage::arriving:
      refuse(session, 503, "the app did not take a connection within 30 seconds");
      return advance(session);
    case Stage::silent:
    case Stage::flowing:
    case Stage::ending:
    case Stage::lingering:
      return close(session);
  }
}

void Door::serve_queued() {
  const auto turn = std::exchange(queued_, {});
  for (const auto id : turn) {
    Session* const session = find(id);
    if (session == nullptr) continue;
    session->queued = false;
    advance(*session);
  }
}

void Door::watch_listener(bool on) {
  if (!listener_ || listening_ == on) return;
  listening_ = on;
  epoll_event event{};
  event.events = on ? EPOLLIN : 0U;
  event.data.u64 = listener_id;
  VITALS_ASSERT(epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener_.get(), &event) == 0);
}

void Door::accept_clients() {
  for (int i = 0; i < accepts_per_turn && listener_; ++i) {
    if (sessions_ >= settings_.clients_max + guests_max) return watch_listener(false);
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      admit(std::move(fd));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    const bool starved = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (!starved) continue;  // this client is gone already
    accept_again_ = now_ + accept_pause;
    return watch_listener(false);
  }
}

void Door::admit(Fd fd) {
  const bool full = sessions_ >= settings_.clients_max;
  if (full && !was_full_) tell_(DoorEvent::full);
  was_full_ = full;
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const auto index = free_slots_.back();
  Slot& slot = slots_[index];
  const auto id = (static_cast<std::uint64_t>(slot.generation) << 31U) | index;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = id << 1U;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) return;
  free_slots_.pop_back();
  slot.session = std::make_unique<Session>();
  Session& session = *slot.session;
  session.id = id;
  session.client.fd = std::move(fd);
  session.client.writable = true;
  session.welcome = !full && !draining();
  session.since = now_;
  stages_[static_cast<std::size_t>(Stage::silent)].push_back(session);
  ++sessions_;
}

// The object lives until the turn ends: callers up the stack may still look at it.
void Door::close(Session& session) {
  if (!alive(session)) return;
  stages_[static_cast<std::size_t>(session.stage)].remove(session);
  session.client.fd.reset();
  session.closing = true;
  drop_app(session, session.cutting);
  for (Flow* const flow : {&session.up, &session.down}) {
    if (flow->pipe) pipes_.release(std::move(flow->pipe));
  }
  held_heads_ -= std::exchange(session.held, 0);
  --sessions_;
  const auto index = static_cast<std::uint32_t>(session.id & 0x7fffffffU);
  Slot& slot = slots_[index];
  slot.generation = (slot.generation + 1) & 0x7fffffffU;
  free_slots_.push_back(index);
  closed_.push_back(std::move(slot.session));
  if (!accept_again_ && sessions_ < settings_.clients_max + guests_max) watch_listener(true);
}

Session* Door::find(std::uint64_t id) const {
  const auto index = static_cast<std::size_t>(id & 0x7fffffffU);
  VITALS_ASSERT(index < slots_.size());
  const Slot& slot = slots_[index];
  return slot.session && slot.session->id == id ? slot.session.get() : nullptr;
}

void Door::enter(Session& session, Stage stage) {
  const bool renewed = std::exchange(session.renewed, false);
  if (session.stage == stage && !renewed) return;
  stages_[static_cast<std::size_t>(session.stage)].remove(session);
  session.stage = stage;
  // The thirty seconds of an app that boots count from the first try.
  session.since = now_;
  stages_[static_cast<std::size_t>(stage)].push_back(session);
}

void Door::drop_held_heads() {
  const auto& receiving = stages_[static_cast<std::size_t>(Stage::receiving)];
  while (held_heads_ > held_heads_max && receiving.front() != nullptr) close(*receiving.front());
}

bool Door::draining() {
  if (stop_at_) return true;
  if (const auto word = page_.word(now_, any_age)) hold_draining(word->verdicts.draining);
  return draining_;
}

void Door::hold_draining(bool on) {
  if (draining_ != on) tell_(on ? DoorEvent::draining : DoorEvent::undrained);
  draining_ = on;
}

void Door::answer(Session& session) {
  const auto word = page_.word(now_, grace_until_ ? any_age : silence_max);
  Facts facts;
  facts.connections = carrying_;
  if (word) {
    facts.verdicts = word->verdicts;
    facts.uptime_seconds = word->uptime_seconds;
  }
  const Question& question = session.talk.question();
  emit(down_of(session), answer_of(question, facts));
  if (question.close) session.closing = true;
}

}  // namespace vitals::front
