// One page of shared memory between the agent and the front door: the agent's verdicts one way, the
// door's counts the other. Either side may die at any moment and come back.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <vitals/fd.hpp>
#include <vitals/result.hpp>
#include <vitals/time.hpp>

#include "agent/front/question.hpp"

namespace vitals::front {

/// An agent that has said nothing for so long is silent: it says it twice a second.
inline constexpr Duration silence_max{5'000};

/// Status classes of answers: 1xx (another protocol from there on) to 5xx.
inline constexpr std::size_t status_classes = 5;

/// The door's counts. Totals survive a restart of the door, the other three begin at 0 with it.
struct Counts {
  std::uint64_t in_flight = 0;    // requests of the app without a whole answer
  std::uint64_t connections = 0;  // clients whose bytes are for the app, idle ones included
  std::array<std::uint64_t, status_classes> answers{};
  /// When the last of them ended or began; monotonic clock. 0: there was none yet.
  std::int64_t active_ms = 0;
};

/// What the agent said, as of a moment.
struct Word {
  Verdicts verdicts;
  std::uint64_t uptime_seconds = 0;
};

/// What the door was made with, as [app] had it; no reload changes that.
struct DoorAddresses {
  std::string front;
  std::string upstream;

  [[nodiscard]] bool operator==(const DoorAddresses&) const = default;
};

/// A handle on the page. Every call is a few loads or stores, never waits and never tears: the
/// verdicts and the moment they were said at are one word of 64 bits.
class Page {
 public:
  /// A new page in memory of its own that nobody can shrink.
  [[nodiscard]] static Result<Page> create(const DoorAddresses& addresses);
  /// The page that another process made; its descriptor was inherited.
  [[nodiscard]] static Result<Page> open(Fd fd);
  Page(Page&& other) noexcept;
  Page& operator=(Page&& other) noexcept;
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;
  ~Page();

  /// To be inherited; close-on-exec is set.
  [[nodiscard]] int fd() const { return fd_.get(); }

  // The agent's side.
  /// As create() had them. Whoever has the page may have written something else there since.
  [[nodiscard]] DoorAddresses addresses() const;
  void say(const Verdicts& verdicts, TimePoint agent_started, TimePoint now);
  /// The agent is gone for certain: silence begins now. By descriptor for the supervisor, which
  /// maps nothing and allocates nothing.
  void fall_silent() { silence(fd_.get()); }
  static void silence(int page_fd);
  [[nodiscard]] Counts counts() const;

  // The door's side.
  /// Nothing when the agent is silent, that is when its last word is older than `age_max`.
  [[nodiscard]] std::optional<Word> word(TimePoint now, Duration age_max = silence_max) const;
  void set_in_flight(std::uint64_t count, TimePoint now);
  void set_connections(std::uint64_t count, TimePoint now);
  void count_answer(int status);

 private:
  struct Layout;
  Page(Fd fd, Layout* layout) : fd_(std::move(fd)), layout_(layout) {}

  Fd fd_;
  Layout* layout_;
};

}  // namespace vitals::front
