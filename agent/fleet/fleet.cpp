// The loop that asks: look-up, questions, opinions, and a word for the board.
#include "agent/fleet/fleet.hpp"

#include <algorithm>
#include <utility>

#include <vitals/assert.hpp>

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
  const bool by_attempts = !judgement.stale && state.failures_in_a_row > 0;
  const bool recovering = !judgement.stale && state.successes_in_a_row > 0;
  if (by_attempts || (recovering && state.streak_began.mono != TimePoint{})) {
    return failure_of(state);
  }
  OwnFailure own;
  own.worst_case = state.spec->worst_case_detection();
  // A stale check or a group: nothing was tried, so others must have passed for long enough that we
  // should have seen it, too.
  own.began = judgement.stale ? std::min(now, stale_from(state)) : state.changed.mono;
  own.started = own.began;
  own.latest = now - own.worst_case;
  return own;
}

/// Its status is fail, or is about to become so.
bool begins_to_fail(const CheckState& state, const CheckJudgement& judgement) {
  if (judgement.status == Status::fail) return true;
  return !state.spec->is_group() && !judgement.stale && state.failures_in_a_row > 0;
}

PeerReport report_of(const PeerAnswer& answer, TimePoint asked, TimePoint received) {
  PeerReport report{.fails = answer.fails, .none = answer.none};
  if (answer.attempt) {
    report.attempt = {asked - answer.attempt->most, received - answer.attempt->least};
  }
  return report;
}

}  // namespace

Fleet::Fleet(StatusBoard& board, LookUp look_up)
    : board_(board), look_up_(std::move(look_up)), random_(random_seed()) {
  board_.follow_streaks([this] { nudge(); });
}

Fleet::~Fleet() { stop(); }

std::optional<Error> Fleet::configure(const FleetSettings& settings) {
  {
    const std::lock_guard lock(mutex_);
    settings_ = settings;
  }
  worker_.nudge();
  const bool asks = !settings.peers.empty();
  if (asks) {
    if (auto error = worker_.start("fleet", [this] { run(); })) return error;
  }
  // Only a thread that runs replaces the word that the board expects.
  board_.expect_fleet(asks);
  return std::nullopt;
}

void Fleet::nudge() { worker_.nudge(); }

void Fleet::stop() { worker_.stop(); }

FleetSettings Fleet::settings_now() {
  const std::lock_guard lock(mutex_);
  return settings_;
}

void Fleet::run() {
  while (worker_.running()) {
    const FleetSettings settings = settings_now();
    follow(settings);
    if (auto checks = to_ask(Clock::now()); !checks.empty()) {
      ask(std::move(checks), settings);
      continue;
    }
    TimePoint next = next_look();
    for (const auto& [check, heard] : heard_) next = std::min(next, heard.hearing.next_round());
    worker_.rest_until(next);
  }
}

std::vector<Fleet::Failing> Fleet::failing_now(const FleetSettings& settings) const {
  std::vector<Failing> failing;
  if (settings.peers.empty()) return failing;
  const auto snapshot = board_.latest();
  const TimePoint now = Clock::now();
  const Judgement judgement = judge(*snapshot, now);
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

void Fleet::follow(const FleetSettings& settings) {
  const auto failing = failing_now(settings);
  // A failure that ended before the check turned says nothing of the one that began since then;
  // once it has turned, one pass in between is no end.
  const auto same = [](const Heard& heard, const Failing& each) {
    return heard.hearing.own().began == each.own.began || (heard.turned && each.turned);
  };
  std::erase_if(heard_, [&](const auto& entry) {
    return std::none_of(failing.begin(), failing.end(), [&](const Failing& each) {
      return each.check == entry.first && same(entry.second, each);
    });
  });
  for (const Failing& each : failing) {
    Heard& heard = heard_.try_emplace(each.check, Heard{Hearing(each.own)}).first->second;
    heard.turned = each.turned;
    heard.hearing.follow(each.own, Clock::now());
  }
  if (failing.empty()) {
    addresses_.clear();
    looked_up_.reset();
    answered_.clear();
  }
  publish();
}

std::vector<std::string> Fleet::to_ask(TimePoint now) const {
  std::vector<std::string> checks;
  for (const auto& [check, heard] : heard_) {
    if (heard.hearing.next_round() <= now) checks.push_back(check);
  }
  return checks;
}

TimePoint Fleet::next_look() const {
  TimePoint next = TimePoint::max();
  for (const auto& [check, heard] : heard_) next = std::min(next, heard.hearing.next_look());
  return next;
}

TimePoint Fleet::patience_on(const std::vector<std::string>& checks) const {
  // Each of them may have another answer to wait for; one that is gone has none.
  TimePoint patience{};
  for (const std::string& check : checks) {
    const auto found = heard_.find(check);
    if (found != heard_.end()) patience = std::max(patience, found->second.hearing.patience());
  }
  return patience;
}

void Fleet::look_up(const FleetSettings& settings, const Deadline& deadline) {
  // In a failure that is just beginning, answers are worth more than a list from this second.
  if (!is_look_up_due(looked_up_, Clock::now())) return;
  auto found = look_up_(settings.peers, deadline.at_most(look_up_timeout));
  // While DNS fails those of the last round can still be asked.
  if (!found) return;
  addresses_ = std::move(found).value();
  looked_up_ = Clock::now();
}

std::vector<std::string> Fleet::choose(const FleetSettings& settings, const Deadline& deadline) {
  look_up(settings, deadline);
  SampleRequest request;
  for (const std::string& address : addresses_) {
    request.addresses.push_back(canonical_address(address));
  }
  request.own = interface_addresses();
  if (!settings.own_address.empty()) request.own.insert(canonical_address(settings.own_address));
  request.answered = answered_;
  request.size = settings.sample;
  return choose_peers(request, random_);
}

void Fleet::ask(std::vector<std::string> checks, const FleetSettings& settings) {
  const Deadline deadline = Deadline::after(round_timeout, worker_.stop_fd());
  Questions questions{.checks = std::move(checks), .peers = choose(settings, deadline)};
  follow(settings);  // the look-up may have taken its time
  questions.heard.resize(questions.checks.size() * questions.peers.size());
  std::vector<std::string> urls;
  for (const std::string& check : questions.checks) {
    for (const auto& peer : questions.peers) urls.push_back(url_of(peer, settings.port, check));
  }
  questions.asked = Clock::now();
  for (const std::string& check : questions.checks) {
    const auto found = heard_.find(check);
    if (found != heard_.end()) found->second.hearing.open(questions.asked, questions.peers.size());
  }
  answered_.clear();
  const auto replies =
      ask_peers(urls, deadline, {.bell = worker_.nudge_fd(), .look = [&](const auto& so_far) {
                                   worker_.take_nudge();
                                   take_answers(questions, so_far);
                                   follow(settings);
                                   return look(questions);
                                 }});
  VITALS_ASSERT(replies.size() == urls.size());
  take_answers(questions, replies);
  for (const std::string& check : questions.checks) {
    const auto found = heard_.find(check);
    // One that began meanwhile has not been asked about.
    if (found == heard_.end() || !found->second.hearing.is_open()) continue;
    found->second.hearing.close(Clock::now());
  }
  publish();
}

void Fleet::take_answers(Questions& questions, const std::vector<Reply>& replies) {
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const Reply& reply = replies[i];
    if (reply.status == 0 || questions.heard[i]) continue;
    questions.heard[i] = true;
    const std::string& check = questions.checks[i / questions.peers.size()];
    const std::string& peer = questions.peers[i % questions.peers.size()];
    const auto answer =
        read_peer_answer({reply.status, reply.date, reply.body, reply.last_attempt}, check);
    if (!answer) continue;
    answered_.insert(peer);
    const auto found = heard_.find(check);
    if (found == heard_.end() || !found->second.hearing.is_open()) continue;
    found->second.hearing.hear(peer, report_of(*answer, questions.asked, reply.received));
  }
}

std::optional<TimePoint> Fleet::look(const Questions& questions) const {
  const TimePoint patience = patience_on(questions.checks);
  if (!worker_.running() || Clock::now() >= patience) return std::nullopt;
  return std::min(patience, next_look());
}

void Fleet::publish() {
  std::vector<FleetWord> words;
  for (const auto& [check, heard] : heard_) {
    words.push_back(heard.hearing.word());
    words.back().check = check;
  }
  if (words == board_.latest()->fleet) return;
  board_.set_fleet(std::move(words), Instant::now());
}

}  // namespace vitals::fleet
