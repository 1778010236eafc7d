// The front door's way to the app: connecting, and waiting for an app that boots.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/front/door.hpp"

namespace vitals::front {
namespace {

/// Those that are let go for each one that got through: a crowd is let in at the speed of the app.
constexpr std::size_t followers = 2;

}  // namespace

/// The first byte for the app has come.
void Door::seek_app(Session& session) {
  VITALS_ASSERT(session.route == Route::none);
  session.carries = true;
  page_.set_connections(++carrying_, now_);
  session.arrived = now_;
  // An app that is known to refuse is asked by one of those that wait, not by all.
  if (app_refuses_ && !waiting_.empty()) return wait_for_app(session);
  try_connect(session);
}

void Door::try_connect(Session& session) {
  const Address& address = settings_.upstream[session.address];
  Fd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return wait_for_app(session);
  constexpr int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto* const target = reinterpret_cast<const sockaddr*>(&address.storage);
  const bool done = connect(fd.get(), target, address.length) == 0;
  session.app = Side{};
  session.app.fd = std::move(fd);
  if (!done && errno != EINPROGRESS) return connect_failed(session);
  session.route = done ? Route::connected : Route::connecting;
  session.app.writable = done;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = (session.id << 1U) | 1U;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, session.app.fd.get(), &event) != 0) {
    return connect_failed(session);
  }
  if (done) app_is_there();
}

void Door::finish_connect(Session& session) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(session.app.fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return connect_failed(session);
  session.route = Route::connected;
  app_is_there();
}

void Door::connect_failed(Session& session) {
  session.app = Side{};
  session.route = Route::none;
  if (++session.address < settings_.upstream.size()) return try_connect(session);
  session.address = 0;
  wait_for_app(session);
}

void Door::wait_for_app(Session& session) {
  session.route = Route::waiting;
  if (!app_refuses_) tell_(DoorEvent::app_refuses);
  app_refuses_ = true;
  waiting_.push_back(session.id);
  if (!retry_at_) retry_at_ = now_ + retry_pause;
}

void Door::retry(std::size_t count) {
  // Those that fail again go to the end of the queue: each one gets its turn once.
  for (std::size_t left = waiting_.size(); left > 0 && count > 0; --left) {
    Session* const session = find(waiting_.front());
    waiting_.pop_front();
    if (session == nullptr || session->route != Route::waiting) continue;
    session->route = Route::none;
    --count;
    try_connect(*session);
    if (alive(*session)) queue(*session);
  }
  if (!waiting_.empty() && !retry_at_) retry_at_ = now_ + retry_pause;
}

void Door::app_is_there() {
  if (std::exchange(app_refuses_, false)) tell_(DoorEvent::app_accepts);
  retry(followers);
}

void Door::drop_app(Session& session, bool reset) {
  if (session.app.fd && reset) {
    const linger at_once{1, 0};
    setsockopt(session.app.fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  session.app.fd.reset();
  session.app.gone = session.app.ended = true;
  session.route = Route::none;
  count(session);
}

/// Keeps the page in step with this session.
void Door::count(Session& session) {
  const bool flies = !session.closing && session.talk.in_flight();
  if (flies != session.in_flight) {
    session.in_flight = flies;
    in_flight_ += flies ? 1 : std::size_t(-1);
    page_.set_in_flight(in_flight_, now_);
  }
  if (session.carries && session.route == Route::none) {
    session.carries = false;
    page_.set_connections(--carrying_, now_);
  }
}

}  // namespace vitals::front
