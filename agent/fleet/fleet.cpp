// The loop that asks: look-up, questions, opinions, and a word for the board.
#include "agent/fleet/fleet.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include <vitals/assert.hpp>

#include "agent/fleet/ask_peers.hpp"
#include "agent/fleet/peer_answer.hpp"
#include "agent/fleet/sample.hpp"
#include "agent/random_seed.hpp"
#include "agent/verdict/health_state.hpp"

namespace vitals::fleet {
namespace {

std::string url_of(const std::string& address, std::uint16_t port, const std::string& check) {
  const bool v6 = address.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port) +
         "/health/check/" + check + "?format=json";
}

OwnFailure own_failure(const CheckState& state, const CheckJudgement& judgement, TimePoint now) {
  OwnFailure own;
  own.worst_case = state.spec->worst_case_detection();
  const bool by_attempts = !judgement.stale && state.failures_in_a_row > 0;
  const bool recovering = !judgement.stale && state.successes_in_a_row > 0;
  if (by_attempts || (recovering && state.streak_began.mono != TimePoint{})) {
    own.began = state.streak_began.mono;
    own.latest = state.streak_latest;
    return own;
  }
  // A stale check or a group: nothing was tried, so others must have passed for long enough that we
  // should have seen it, too.
  own.began = judgement.stale ? std::min(now, stale_from(state)) : state.changed.mono;
  own.latest = now - own.worst_case;
  return own;
}

/// Its status is fail, or is about to become so.
bool begins_to_fail(const CheckState& state, const CheckJudgement& judgement) {
  if (judgement.status == Status::fail) return true;
  return !state.spec->is_group() && !judgement.stale && state.failures_in_a_row > 0;
}

PeerReport report_of(const PeerAnswer& answer, TimePoint asked, TimePoint received) {
  PeerReport report{.fails = answer.fails};
  if (answer.attempt) {
    report.attempt = {asked - answer.attempt->most, received - answer.attempt->least};
  }
  return report;
}

}  // namespace

Fleet::Fleet(StatusBoard& board, LookUp look_up)
    : board_(board),
      look_up_(std::move(look_up)),
      interrupt_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      random_(random_seed()) {}

Fleet::~Fleet() { stop(); }

std::optional<Error> Fleet::configure(const FleetSettings& settings) {
  {
    const std::lock_guard lock(mutex_);
    settings_ = settings;
    nudged_ = true;
    if (running_ || settings.peers.empty()) {
      wake_.notify_all();
      return std::nullopt;
    }
    running_ = true;
  }
  auto thread = Thread::start("fleet", [this] { run(); });
  if (!thread) {
    const std::lock_guard lock(mutex_);
    running_ = false;
    return thread.error();
  }
  thread_ = std::move(thread).value();
  return std::nullopt;
}

void Fleet::nudge() {
  const std::lock_guard lock(mutex_);
  nudged_ = true;
  wake_.notify_all();
}

void Fleet::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!running_) return;
    running_ = false;
  }
  wake_.notify_all();
  if (interrupt_) eventfd_write(interrupt_.get(), 1);
  thread_.join();
}

void Fleet::run() {
  TimePoint next{};
  std::unique_lock lock(mutex_);
  while (running_) {
    nudged_ = false;
    const FleetSettings settings = settings_;
    lock.unlock();
    const auto failing = settings.peers.empty() ? std::vector<Failing>{} : failing_now();
    keep_only(failing);
    const bool news = std::any_of(failing.begin(), failing.end(), [&](const Failing& each) {
      return !hearings_.contains(each.check);
    });
    if (news || (!failing.empty() && Clock::now() >= next)) {
      const TimePoint began = Clock::now();
      ask(failing, settings);
      next = began + pause();
    }
    lock.lock();
    const auto woken = [this] { return nudged_ || !running_; };
    if (failing.empty()) {
      wake_.wait(lock, woken);
    } else {
      wake_.wait_until(lock, next, woken);
    }
  }
}

std::vector<Fleet::Failing> Fleet::failing_now() const {
  const auto snapshot = board_.latest();
  const TimePoint now = Clock::now();
  const Judgement judgement = judge(*snapshot, now);
  std::vector<Failing> failing;
  for (const std::size_t i : worst_first(*snapshot, judgement)) {
    const CheckState& state = *snapshot->checks[i];
    const CheckJudgement& check = judgement.checks[i];
    const bool asks = check.counts && begins_to_fail(state, check) &&
                      state.spec->impact == Impact::critical && state.spec->scope == Scope::shared;
    if (!asks) continue;
    failing.push_back({.check = state.spec->name,
                       .own = own_failure(state, check, now),
                       .turned = check.status == Status::fail});
    if (failing.size() == checks_asked_max) break;
  }
  return failing;
}

void Fleet::keep_only(const std::vector<Failing>& failing) {
  // A failure that ended before the check turned says nothing of the one that began since then;
  // once it has turned, one pass in between is no end.
  const auto same = [](const Hearing& hearing, const Failing& each) {
    return hearing.began == each.own.began || (hearing.turned && each.turned);
  };
  const auto gone = std::erase_if(hearings_, [&](const auto& entry) {
    return std::none_of(failing.begin(), failing.end(), [&](const Failing& each) {
      return each.check == entry.first && same(entry.second, each);
    });
  });
  std::erase_if(views_, [&](const auto& entry) { return !hearings_.contains(entry.first); });
  if (failing.empty()) {
    addresses_.clear();
    answered_.clear();
  }
  if (gone > 0) publish();
}

std::vector<std::string> Fleet::choose(const FleetSettings& settings, const Deadline& deadline) {
  auto found = look_up_(settings.peers, deadline.at_most(look_up_timeout));
  // While DNS fails those of the last round can still be asked.
  if (found) addresses_ = std::move(found).value();
  SampleRequest request;
  for (const std::string& address : addresses_) {
    request.addresses.push_back(canonical_address(address));
  }
  const std::set<std::string> fleet(request.addresses.begin(), request.addresses.end());
  request.own = interface_addresses();
  if (!settings.own_address.empty()) request.own.insert(canonical_address(settings.own_address));
  request.answered = answered_;
  request.size = settings.sample;
  for (auto& [check, views] : views_) {
    std::erase_if(views, [&](const auto& entry) { return !fleet.contains(entry.first); });
  }
  return choose_peers(request, random_);
}

void Fleet::ask(const std::vector<Failing>& failing, const FleetSettings& settings) {
  const Deadline deadline = Deadline::after(round_timeout, interrupt_.get());
  const auto peers = choose(settings, deadline);
  std::vector<std::string> urls;
  for (const Failing& each : failing) {
    for (const std::string& peer : peers) urls.push_back(url_of(peer, settings.port, each.check));
  }
  const TimePoint asked = Clock::now();
  const auto replies = ask_peers(urls, deadline);
  VITALS_ASSERT(replies.size() == failing.size() * peers.size());
  answered_.clear();
  for (std::size_t i = 0; i < failing.size(); ++i) {
    std::vector<PeerView> answers;
    for (std::size_t j = 0; j < peers.size(); ++j) {
      const Reply& reply = replies[i * peers.size() + j];
      const auto answer =
          read_peer_answer({reply.status, reply.date, reply.body}, failing[i].check);
      if (!answer) continue;
      answered_.insert(peers[j]);
      const auto report = report_of(*answer, asked, reply.received);
      PeerView& view = views_[failing[i].check][peers[j]];
      view = look_at(report, view, failing[i].own, asked);
      answers.push_back(view);
    }
    hear(failing[i], answers);
  }
  publish();
}

void Fleet::hear(const Failing& failing, const std::vector<PeerView>& answers) {
  Round round;
  round.leaning = lean(answers, failing.own);
  round.answered = static_cast<int>(answers.size());
  round.failing = static_cast<int>(std::count_if(answers.begin(), answers.end(),
                                                 [](const PeerView& view) { return view.fails; }));
  round.at = Clock::now();
  Hearing& hearing = hearings_[failing.check];
  hearing.opinion.hear(round);
  hearing.began = failing.own.began;
  hearing.turned = failing.turned;
}

void Fleet::publish() {
  std::vector<FleetWord> words;
  for (const auto& [check, hearing] : hearings_) {
    words.push_back(hearing.opinion.word());
    words.back().check = check;
  }
  board_.set_fleet(std::move(words), Instant::now());
}

Duration Fleet::pause() const {
  Duration soonest = round_interval;
  for (const auto& [check, hearing] : hearings_) {
    soonest = std::min(soonest, hearing.opinion.next_round_in());
  }
  return soonest;
}

}  // namespace vitals::fleet
