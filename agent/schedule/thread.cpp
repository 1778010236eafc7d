// pthreads with a chosen stack size, which std::thread can't have.
#include "agent/schedule/thread.hpp"

#include <sched.h>
#include <signal.h>

#include <cstring>
#include <memory>
#include <utility>

#include "agent/schedule/scheduling_attributes.hpp"

namespace vitals {
namespace {

struct Start {
  std::string name;
  std::function<void()> body;
};

/// Policy and nice value stay as they were given to us. Best effort: a kernel before 6.12 ignores
/// the field, and a sandbox that refuses the call costs nothing but the promptness.
void ask_for_short_slices() {
  SchedulingAttributes attributes;
  if (!get_scheduling(0, attributes) || attributes.policy != SCHED_OTHER) return;
  attributes.runtime = static_cast<std::uint64_t>(thread_slice.count());
  [[maybe_unused]] const bool granted = set_scheduling(0, attributes);
}

void* enter(void* argument) {
  const std::unique_ptr<Start> start(static_cast<Start*>(argument));
  pthread_setname_np(pthread_self(), start->name.c_str());
  ask_for_short_slices();
  start->body();
  return nullptr;
}

/// All signals blocked while it lives, so that a new thread inherits that mask.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Thread::~Thread() { VITALS_ASSERT(!started_); }

Thread::Thread(Thread&& other) noexcept
    : handle_(other.handle_), started_(std::exchange(other.started_, false)) {}

Thread& Thread::operator=(Thread&& other) noexcept {
  VITALS_ASSERT(!started_);
  handle_ = other.handle_;
  started_ = std::exchange(other.started_, false);
  return *this;
}

Result<Thread> Thread::start(const std::string& name, std::function<void()> body) {
  constexpr std::size_t name_max = 15;
  auto start = std::make_unique<Start>(Start{name.substr(0, name_max), std::move(body)});
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, thread_stack_bytes);
  Thread thread;
  const SignalsBlocked blocked;
  const int error = pthread_create(&thread.handle_, &attributes, enter, start.get());
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    return Error{"cannot start a thread for " + name + ": " + std::strerror(error) +
                 "; raise the limit of processes or configure fewer checks"};
  }
  static_cast<void>(start.release());  // enter() owns it now
  thread.started_ = true;
  return thread;
}

void Thread::join() {
  if (std::exchange(started_, false)) pthread_join(handle_, nullptr);
}

void Thread::abandon() {
  if (std::exchange(started_, false)) pthread_detach(handle_);
}

}  // namespace vitals
