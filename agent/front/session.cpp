// Lists of sessions, and the pipes they share.
#include "agent/front/session.hpp"

#include <fcntl.h>

#include <utility>

namespace vitals::front {
namespace {

/// Room of a pipe; the kernel's default is 64 KiB.
constexpr int pipe_size = 256 * 1024;

}  // namespace

std::unique_ptr<SplicePipe> PipePool::acquire() {
  if (!free_.empty()) {
    auto pipe = std::move(free_.back());
    free_.pop_back();
    return pipe;
  }
  if (made_ == pipes_max_) return nullptr;
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return nullptr;
  // A limit of the system may forbid it; the usual size does, too.
  fcntl(ends[1], F_SETPIPE_SZ, pipe_size);
  ++made_;
  return std::make_unique<SplicePipe>(SplicePipe{Fd(ends[0]), Fd(ends[1]), 0});
}

void PipePool::release(std::unique_ptr<SplicePipe> pipe) {
  if (pipe->held == 0) {
    free_.push_back(std::move(pipe));
    return;
  }
  --made_;  // bytes of one client must never come out at another
}

void SessionList::push_back(Session& session) {
  session.previous = back_;
  session.next = nullptr;
  (back_ != nullptr ? back_->next : front_) = &session;
  back_ = &session;
}

void SessionList::remove(Session& session) {
  (session.previous != nullptr ? session.previous->next : front_) = session.next;
  (session.next != nullptr ? session.next->previous : back_) = session.previous;
  session.previous = session.next = nullptr;
}

}  // namespace vitals::front
