// One page of shared memory between the agent and the front door.
#include "agent/front/page.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <vitals/assert.hpp>

#include "agent/text/listen_address.hpp"

namespace vitals::front {

/// Ends with a zero byte.
using PageText = std::array<char, listen_address_max + 1>;

/// Both sides are the same binary, so this is the whole protocol. Zeros are a silent agent and a
/// door without clients.
struct Page::Layout {
  std::atomic<std::uint64_t> word;  // verdicts in the low byte, milliseconds above
  std::atomic<std::int64_t> agent_started_ms;
  std::atomic<std::uint64_t> in_flight;
  std::atomic<std::uint64_t> connections;
  std::array<std::atomic<std::uint64_t>, status_classes> answers;
  std::atomic<std::int64_t> active_ms;
  // Written before anybody else has the page.
  PageText front;
  PageText upstream;
};

namespace {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

constexpr unsigned verdict_bits = 8;
constexpr std::uint64_t status_mask = 3;
constexpr std::uint64_t ready_bit = 4;
constexpr std::uint64_t live_bit = 8;
constexpr std::uint64_t startup_bit = 16;
constexpr std::uint64_t draining_bit = 32;

std::int64_t to_ms(TimePoint time) {
  return std::chrono::duration_cast<Duration>(time.time_since_epoch()).count();
}

std::uint64_t pack(const Verdicts& verdicts) {
  return static_cast<std::uint64_t>(verdicts.health) | (verdicts.ready ? ready_bit : 0) |
         (verdicts.live ? live_bit : 0) | (verdicts.startup ? startup_bit : 0) |
         (verdicts.draining ? draining_bit : 0);
}

Verdicts unpack(std::uint64_t bits) {
  return {.health = static_cast<Status>(bits & status_mask),
          .ready = (bits & ready_bit) != 0,
          .live = (bits & live_bit) != 0,
          .startup = (bits & startup_bit) != 0,
          .draining = (bits & draining_bit) != 0};
}

void write_text(const std::string& text, PageText& place) {
  VITALS_ASSERT(text.size() < place.size());
  std::copy(text.begin(), text.end(), place.begin());
}

std::string read_text(const PageText& place) {
  return {place.begin(), std::find(place.begin(), place.end(), '\0')};
}

Error failed(const char* what) {
  return Error{std::string("front door: ") + what + ": " + std::strerror(errno)};
}

}  // namespace

Result<Page> Page::create(const DoorAddresses& addresses) {
  Fd fd(memfd_create("vitals-front", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ftruncate(fd.get(), sizeof(Layout)) != 0) return failed("no shared memory");
  // Whoever has it mapped would die of SIGBUS if the other end could cut it.
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return failed("can't seal shared memory");
  }
  auto page = open(std::move(fd));
  if (!page) return page;
  write_text(addresses.front, page.value().layout_->front);
  write_text(addresses.upstream, page.value().layout_->upstream);
  return page;
}

Result<Page> Page::open(Fd fd) {
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return failed("no page");
  if (status.st_size != static_cast<off_t>(sizeof(Layout))) {
    return Error{"front door: the page is another program's"};
  }
  void* const memory =
      mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return failed("can't map the page");
  return Page(std::move(fd), static_cast<Layout*>(memory));
}

Page::Page(Page&& other) noexcept
    : fd_(std::move(other.fd_)), layout_(std::exchange(other.layout_, nullptr)) {}

Page& Page::operator=(Page&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(layout_, other.layout_);
  return *this;
}

Page::~Page() {
  if (layout_ != nullptr) munmap(layout_, sizeof(Layout));
}

void Page::say(const Verdicts& verdicts, TimePoint agent_started, TimePoint now) {
  layout_->agent_started_ms = to_ms(agent_started);
  layout_->word = (static_cast<std::uint64_t>(to_ms(now)) << verdict_bits) | pack(verdicts);
}

void Page::silence(int page_fd) {
  static_assert(offsetof(Layout, word) == 0);
  constexpr std::uint64_t nothing = 0;
  // Failing that, the word grows old.
  [[maybe_unused]] const auto written = pwrite(page_fd, &nothing, sizeof nothing, 0);
}

DoorAddresses Page::addresses() const {
  return {read_text(layout_->front), read_text(layout_->upstream)};
}

std::optional<Word> Page::word(TimePoint now, Duration age_max) const {
  const std::uint64_t packed = layout_->word;
  if (packed == 0) return std::nullopt;
  const auto said_ms = static_cast<std::int64_t>(packed >> verdict_bits);
  if (to_ms(now) - said_ms > age_max.count()) return std::nullopt;
  const auto uptime_ms = to_ms(now) - layout_->agent_started_ms;
  return Word{unpack(packed),
              static_cast<std::uint64_t>(std::max<std::int64_t>(uptime_ms, 0) / 1'000)};
}

void Page::set_in_flight(std::uint64_t count, TimePoint now) {
  layout_->in_flight.store(count, std::memory_order_relaxed);
  layout_->active_ms.store(to_ms(now), std::memory_order_relaxed);
}

void Page::set_connections(std::uint64_t count, TimePoint now) {
  layout_->connections.store(count, std::memory_order_relaxed);
  layout_->active_ms.store(to_ms(now), std::memory_order_relaxed);
}

void Page::count_answer(int status) {
  VITALS_ASSERT(status >= 100);
  const auto status_class = static_cast<std::size_t>(status / 100 - 1);
  // Clients take any three digits; what is above 599 is the server's fault (RFC 9110 §15).
  auto& counter = layout_->answers[std::min(status_class, status_classes - 1)];
  counter.fetch_add(1, std::memory_order_relaxed);
}

Counts Page::counts() const {
  Counts counts;
  counts.in_flight = layout_->in_flight;
  counts.connections = layout_->connections;
  counts.active_ms = layout_->active_ms;
  for (std::size_t i = 0; i < status_classes; ++i) counts.answers[i] = layout_->answers[i];
  return counts;
}

}  // namespace vitals::front
