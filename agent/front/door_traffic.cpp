// The front door's traffic: bytes from one side to the other, and what a conversation makes of
// them.
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/front/door.hpp"

namespace vitals::front {
namespace {

/// One splice; a pipe holds less.
constexpr std::size_t splice_size = 1024 * 1024;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

/// Gives the memory of an empty buffer back.
void release(std::string& buffer) { std::string().swap(buffer); }

void reset_on_close(const Fd& fd) {
  const linger at_once{1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace

Door::Way Door::up_of(Session& session) {
  return {session, session.client, session.app, session.up, session.client_in, true};
}

Door::Way Door::down_of(Session& session) {
  return {session, session.app, session.client, session.down, session.app_in, false};
}

void Door::advance(Session& session) {
  bool more = true;
  // An answer that became whole lets the next request in, and the other way round.
  for (int round = 0; more && alive(session) && round < reads_per_turn; ++round) {
    more = pump(up_of(session));
    if (alive(session)) more |= pump(down_of(session));
  }
  if (!alive(session)) return;
  settle(session);
  if (more && alive(session)) queue(session);
}

void Door::queue(Session& session) {
  if (session.queued) return;
  session.queued = true;
  queued_.push_back(session.id);
}

/// One read at most. True when another call may find something to do.
bool Door::pump(const Way& way) {
  const bool held = !way.flow.empty();
  if (flush(way) != Flushed::all) return false;
  if (held) return true;
  // Whoever asks faster than it reads has to wait.
  if (way.up && way.session.talk.between() && !way.session.down.empty()) return false;
  if (!way.in.empty()) {
    const std::size_t used = digest(way, way.in);
    way.in.erase(0, used);
    if (way.in.empty()) release(way.in);
    if (used > 0) return alive(way.session);
  }
  if (!alive(way.session) || !may_read(way)) return false;
  const auto blind = way.up ? way.session.talk.blind_up() : way.session.talk.blind_down();
  if (way.in.empty() && way.flow.bulk && blind >= splice_min && splice_some(way)) return true;
  return read_some(way);
}

bool Door::may_read(const Way& way) const {
  if (!way.from.fd || !way.from.readable || way.from.ended) return false;
  const Session& session = way.session;
  if (!way.up) return session.route == Route::connected;
  // Before its connection stands nothing more is taken than its head.
  if (session.route == Route::waiting || session.route == Route::connecting) return false;
  return way.in.empty() || session.talk.wants_client();
}

bool Door::read_some(const Way& way) {
  const auto size = recv(way.from.fd.get(), scratch_.data(), scratch_.size(), 0);
  if (size < 0 && would_block(errno)) {
    way.from.readable = false;
    return false;
  }
  if (size <= 0) {
    ended(way, size < 0 ? errno : 0);
    return false;
  }
  const std::string_view bytes(scratch_.data(), static_cast<std::size_t>(size));
  way.flow.bulk = bytes.size() == scratch_.size();
  // A short read has emptied the socket, and what comes later is a new edge.
  if (!way.flow.bulk) way.from.readable = way.from.hung_up;
  if (way.in.empty()) {
    way.in.assign(bytes.substr(digest(way, bytes)));
  } else {
    way.in.append(bytes);
    way.in.erase(0, digest(way, way.in));
  }
  if (way.in.empty()) release(way.in);
  return alive(way.session);
}

/// False: there is no pipe, or this can't be spliced.
bool Door::splice_some(const Way& way) {
  Conversation& talk = way.session.talk;
  VITALS_ASSERT(way.flow.empty());
  if (way.to.gone) return false;
  auto pipe = pipes_.acquire();
  if (!pipe) return false;
  const auto blind = way.up ? talk.blind_up() : talk.blind_down();
  const auto size = splice(way.from.fd.get(), nullptr, pipe->in.get(), nullptr,
                           static_cast<std::size_t>(std::min<std::uint64_t>(blind, splice_size)),
                           SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  if (size <= 0) {
    // An end or an error is for recv to tell.
    pipes_.release(std::move(pipe));
    way.flow.bulk = false;
    return false;
  }
  pipe->held = static_cast<std::size_t>(size);
  way.flow.pipe = std::move(pipe);
  if (way.up) {
    talk.passed_up(static_cast<std::uint64_t>(size));
  } else {
    talk.passed_down(static_cast<std::uint64_t>(size));
  }
  (void)flush(way);
  return alive(way.session);
}

Door::Flushed Door::flush_pipe(const Way& way) {
  SplicePipe& pipe = *way.flow.pipe;
  while (pipe.held > 0) {
    if (!way.to.writable) return Flushed::blocked;
    const auto size = splice(pipe.out.get(), nullptr, way.to.fd.get(), nullptr, pipe.held,
                             SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (size > 0) {
      pipe.held -= static_cast<std::size_t>(size);
    } else if (size < 0 && would_block(errno)) {
      way.to.writable = false;
    } else {
      write_failed(way, errno);
      return Flushed::failed;
    }
  }
  pipes_.release(std::move(way.flow.pipe));
  return Flushed::all;
}

Door::Flushed Door::flush(const Way& way) {
  Flow& flow = way.flow;
  if (flow.empty()) return Flushed::all;
  if (way.up && way.session.route != Route::connected) return Flushed::blocked;
  if (flow.pipe) {
    const auto flushed = flush_pipe(way);
    if (flushed != Flushed::all) return flushed;
  }
  while (flow.sent < flow.pending.size()) {
    if (!way.to.writable) return Flushed::blocked;
    const auto size = send(way.to.fd.get(), flow.pending.data() + flow.sent,
                           flow.pending.size() - flow.sent, MSG_NOSIGNAL);
    if (size >= 0) {
      flow.sent += static_cast<std::size_t>(size);
    } else if (would_block(errno)) {
      way.to.writable = false;
    } else {
      write_failed(way, errno);
      return Flushed::failed;
    }
  }
  release(flow.pending);
  flow.sent = 0;
  return Flushed::all;
}

/// `error` is 0 for a last byte that came in order.
void Door::ended(const Way& way, int error) {
  way.from.ended = true;
  way.from.readable = false;
  way.from.reset |= error != 0;
  if (!way.up) return way.session.talk.app_ended();
  if (error == 0) return;
  way.session.cutting = true;
  close(way.session);
}

void Door::write_failed(const Way& way, int error) {
  way.to.gone = true;
  if (!way.up) {
    way.session.cutting = true;
    return close(way.session);
  }
  // What the app has said before may still wait for us.
  way.to.reset |= error == ECONNRESET;
  way.to.readable = true;
  release(way.flow.pending);
  way.flow.sent = 0;
  if (way.flow.pipe) pipes_.release(std::move(way.flow.pipe));
  release(way.in);
}

/// How many of `bytes` are dealt with.
std::size_t Door::digest(const Way& way, std::string_view bytes) {
  Session& session = way.session;
  std::size_t used = 0;
  std::size_t passed = 0;  // what stands before it has been given to emit()
  while (used < bytes.size() && alive(session)) {
    if (session.closing || session.cutting || way.to.gone) return bytes.size();
    const auto rest = bytes.substr(used);
    const Step step = way.up ? session.talk.from_client(rest) : session.talk.from_app(rest);
    if (step.act != Step::Act::forward) {
      emit(way, bytes.substr(passed, used - passed));
      passed = used + step.size;
    }
    used += step.size;
    if (!take_step(way, step)) break;
  }
  if (alive(session) && used > passed) emit(way, bytes.substr(passed, used - passed));
  return alive(session) && !session.closing ? used : bytes.size();
}

/// False: no further step for now.
bool Door::take_step(const Way& way, const Step& step) {
  Session& session = way.session;
  if (const auto status = session.talk.take_status()) page_.count_answer(*status);
  if (way.up) session.partial = step.act == Step::Act::wait && session.talk.wants_client();
  switch (step.act) {
    case Step::Act::wait:
      return false;
    case Step::Act::forward:
      session.renewed |= way.up;
      if (!way.up || session.route != Route::none) return true;
      if (!session.welcome && session.talk.tunnel()) {
        session.closing = true;
      } else if (!session.welcome) {
        refuse(session, 503, draining_ ? "draining" : "no room for more connections");
      } else {
        seek_app(session);
      }
      return true;
    case Step::Act::ask:
      session.renewed = true;
      answer(session);
      return session.down.empty();
    case Step::Act::drop:
      return true;
    case Step::Act::refuse:
      refuse(session, way.up ? 400 : 502, step.why);
      return false;
  }
  VITALS_ASSERT(false);
  return false;
}

void Door::emit(const Way& way, std::string_view bytes) {
  if (bytes.empty() || way.to.gone || !alive(way.session)) return;
  const bool connected = !way.up || way.session.route == Route::connected;
  if (connected && way.flow.empty() && way.to.writable) {
    const auto size = send(way.to.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && !would_block(errno)) return write_failed(way, errno);
    if (size < 0) way.to.writable = false;
    bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  }
  way.flow.pending.append(bytes);
}

/// The session ends with our own answer, when there is still room for one in its order.
void Door::refuse(Session& session, int status, std::string_view why) {
  if (session.closing) return;
  const bool asked = session.talk.in_flight() || status != 502;
  if (!session.talk.may_answer()) return cut(session);
  session.closing = true;
  release(session.up.pending);
  session.up.sent = 0;
  if (session.up.pipe) pipes_.release(std::move(session.up.pipe));
  release(session.client_in);
  drop_app(session, true);
  if (!asked) return;
  page_.count_answer(status);
  emit(down_of(session), refusal(status, why));
}

/// Whoever gets half an answer must see that it is half.
void Door::cut(Session& session) {
  session.cutting = true;
  session.app.ended = session.app.reset = true;
}

void Door::settle(Session& session) {
  settle_upward(session);
  if (alive(session)) settle_downward(session);
  if (!alive(session)) return;
  count(session);
  held_heads_ += session.client_in.size() - std::exchange(session.held, session.client_in.size());
  const Stage stage = stage_of(session);
  const bool idle = stage == Stage::silent || stage == Stage::receiving ||
                    (stage == Stage::flowing && !session.in_flight && !session.talk.tunnel());
  const bool over = idle || session.client.shut;
  if (stop_at_ && over && session.up.empty() && session.down.empty() && delivered(session)) {
    return close(session);
  }
  enter(session, stage);
}

void Door::settle_upward(Session& session) {
  if (!session.client.ended || session.closing) return;
  if (session.client_in == "\r\n" && session.partial) release(session.client_in);
  if (!session.client_in.empty() && session.partial) {
    refuse(session, 400, "the connection ended within a head");
  } else if (session.client_in.empty() && session.up.empty() && session.route == Route::connected &&
             !session.app.shut && !session.app.gone) {
    shutdown(session.app.fd.get(), SHUT_WR);
    session.app.shut = true;
  }
}

void Door::settle_downward(Session& session) {
  Side& client = session.client;
  // Nobody asks again on a new connection that breaks, as they do on one that was kept.
  if (session.app.ended && session.talk.awaits_first_word() && !session.closing) {
    release(session.app_in);
    refuse(session, 502, "the app ended the connection without an answer");
  }
  const bool app_over = session.app.ended || session.route == Route::none;
  if (session.app.ended && !session.app_in.empty() && !session.closing && !session.app.reset) {
    release(session.app_in);
    refuse(session, 502, "the app's answer ended within its head");
  }
  if (!session.down.empty() || !app_over) return;
  if (session.app.reset && !session.closing) {
    reset_on_close(client.fd);
    session.cutting = true;
    return close(session);
  }
  const bool said_all = session.closing || session.app.ended || client.ended;
  if (said_all && !client.shut) {
    shutdown(client.fd.get(), SHUT_WR);
    client.shut = true;
  }
  if (client.ended && client.shut) close(session);
}

Stage Door::stage_of(const Session& session) const {
  if (session.closing) return session.client.shut ? Stage::lingering : Stage::ending;
  if (session.cutting) return Stage::ending;
  if (session.route == Route::waiting || session.route == Route::connecting) return Stage::arriving;
  if (session.client.shut && !session.talk.tunnel()) return Stage::ending;
  if (!session.client_in.empty() && session.partial) return Stage::receiving;
  return session.route == Route::none ? Stage::silent : Stage::flowing;
}

}  // namespace vitals::front
