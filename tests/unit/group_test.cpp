// Groups: k of n as a pure function, on the board, and in the judgement of a reader.
#include "agent/verdict/group.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <vitals/text.hpp>

#include "agent/serve/report.hpp"
#include "agent/verdict/board.hpp"
#include "tests/support/verdict_fixture.hpp"

namespace vitals {
namespace {

using test::at;

constexpr MemberView passing{"p", Status::pass, Reason::none, false};
constexpr MemberView warning{"w", Status::warn, Reason::slow, false};
constexpr MemberView refused{"r", Status::fail, Reason::refused, false};
constexpr MemberView timed_out{"t", Status::fail, Reason::timeout, false};
constexpr MemberView unknown{"u", Status::unknown, Reason::none, false};

constexpr MemberView unfed{"h", Status::unknown, Reason::none, false, true};

MemberView left_out(MemberView member) {
  member.left_out = true;
  return member;
}

Status status_of(const std::vector<MemberView>& members, int need) {
  return judge_group(members, need).status;
}
Reason reason_of(const std::vector<MemberView>& members, int need) {
  return judge_group(members, need).reason;
}

TEST_SUITE("group") {
  TEST_CASE("group: k of n over every status") {
    CHECK(status_of({passing, passing}, 2) == Status::pass);
    CHECK(status_of({passing, refused}, 1) == Status::pass);
    CHECK(status_of({passing, refused}, 2) == Status::fail);
    CHECK(status_of({refused, timed_out}, 1) == Status::fail);
    CHECK(status_of({passing, warning}, 1) == Status::pass);
    CHECK(status_of({passing, warning}, 2) == Status::warn);
    CHECK(status_of({refused, warning}, 1) == Status::warn);
    CHECK(status_of({unknown, refused}, 1) == Status::unknown);
    CHECK(status_of({unknown, refused}, 2) == Status::fail);
    CHECK(status_of({unknown, passing}, 1) == Status::pass);
    CHECK(status_of({unknown, passing}, 2) == Status::unknown);
    CHECK(status_of({passing, passing, refused}, 2) == Status::pass);
    CHECK(status_of({passing, timed_out, refused}, 2) == Status::fail);
  }

  TEST_CASE("group: it fails for what most members say, of equals for what the first says") {
    CHECK(reason_of({refused, timed_out}, 1) == Reason::refused);
    CHECK(reason_of({timed_out, refused}, 1) == Reason::timeout);
    CHECK(reason_of({refused, timed_out, timed_out}, 1) == Reason::timeout);
    CHECK(reason_of({passing, warning, timed_out}, 3) == Reason::timeout);
    CHECK(reason_of({warning, refused}, 1) == Reason::slow);
    CHECK(reason_of({passing, refused}, 1) == Reason::none);
  }

  TEST_CASE("group: members that are left out are not asked for, and with all of them the group") {
    CHECK(status_of({left_out(refused), passing}, 2) == Status::pass);
    CHECK(status_of({left_out(refused), timed_out}, 1) == Status::fail);
    CHECK(reason_of({left_out(refused), timed_out}, 1) == Reason::timeout);
    CHECK_FALSE(judge_group(std::vector{left_out(refused), passing}, 1).all_out);
    const std::vector all{left_out(refused), left_out(refused)};
    CHECK(judge_group(all, 1).all_out);
    CHECK(judge_group(all, 1).status == Status::fail);
    CHECK(judge_group(all, 1).reason == Reason::refused);
  }

  TEST_CASE("group: a member that is left out but well counts where that helps, and nowhere else") {
    CHECK(status_of({left_out(passing), refused}, 1) == Status::pass);
    CHECK(status_of({left_out(passing), refused}, 2) == Status::fail);
    CHECK(status_of({left_out(warning), refused}, 1) == Status::warn);
    CHECK(reason_of({left_out(warning), refused}, 1) == Reason::slow);
    CHECK(status_of({left_out(warning), passing}, 2) == Status::pass);
    CHECK(status_of({left_out(passing), unknown}, 1) == Status::pass);
    CHECK(status_of({left_out(unknown), refused}, 1) == Status::fail);
    CHECK(judge_group(std::vector{left_out(passing), refused}, 1).well == 1);
    CHECK_FALSE(judge_group(std::vector{left_out(passing), refused}, 1).all_out);
  }

  TEST_CASE("group: heartbeats that nobody has posted yet are not asked for") {
    CHECK(status_of({unfed, passing}, 2) == Status::pass);
    CHECK(status_of({unfed, refused}, 1) == Status::fail);
    CHECK_FALSE(judge_group(std::vector{unfed, refused}, 1).all_out);
    const std::vector all{unfed, unfed};
    CHECK(judge_group(all, 1).all_out);
    CHECK(judge_group(all, 1).status == Status::unknown);
  }

  TEST_CASE("group: its detail says how many are well, and who is not and why") {
    CHECK(group_detail(std::vector{passing, passing}) == "2 of 2");
    CHECK(group_detail(std::vector{passing, timed_out}) == "1 of 2: t timeout");
    CHECK(group_detail(std::vector{refused, timed_out}) == "0 of 2: r refused, t timeout");
    CHECK(group_detail(std::vector{warning, unknown}) == "1 of 2: w slow, u unknown");
    CHECK(group_detail(std::vector{left_out(passing), passing}) == "2 of 2: p pass (left out)");
    CHECK(group_detail(std::vector<MemberView>(100, refused)).size() <= server_text_max);
  }
}

/// Two members "a" and "b" of a critical group that needs one, and the board they are on.
struct Board {
  std::vector<std::string> log;
  StatusBoard board{
      at(0), [this](const Event& event) {
        if (event.type == Event::Type::transition) {
          log.push_back(event.check + " " + std::string(to_label(event.to)) + " " + event.detail);
        }
      }};
  std::shared_ptr<CheckSpec> a = member("a");
  std::shared_ptr<CheckSpec> b = member("b");
  std::shared_ptr<CheckSpec> group = test::spec("search");

  static std::shared_ptr<CheckSpec> member(const std::string& name) {
    auto spec = test::spec(name);
    spec->impact = Impact::info;
    spec->fall = spec->rise = 1;
    return spec;
  }

  Board() {
    group->kind = &group_kind();
    group->members = {"a", "b"};
    group->need = 1;
    group->startup = true;
    set({a, b, group});
  }
  void set(const std::vector<std::shared_ptr<const CheckSpec>>& specs) {
    board.set_checks(specs, SharedRule::fleet, at(0));
  }
  void feed(const std::string& check, ProbeResult result, double seconds) {
    const auto checks = board.latest()->checks;
    const auto asked = std::find_if(checks.begin(), checks.end(),
                                    [&](const auto& state) { return state->spec->name == check; });
    REQUIRE(asked != checks.end());
    const auto attempt = board.begin(*(*asked)->spec, at(seconds - 0.1));
    REQUIRE(attempt);
    CHECK(board.finish(*attempt, test::sample(std::move(result), seconds)));
  }
  [[nodiscard]] const CheckState& state() const { return *board.latest()->checks[2]; }
  [[nodiscard]] Judgement judged(double seconds) const {
    return judge(*board.latest(), at(seconds).mono);
  }
};

TEST_SUITE("group on the board") {
  TEST_CASE("group: it follows its members with each result, and remembers since when") {
    Board it;
    CHECK(it.state().status == Status::unknown);
    CHECK(it.judged(1).verdict == Status::fail);
    CHECK_FALSE(it.board.latest()->startup_latched);
    it.feed("a", passed("200"), 1);
    CHECK(it.state().status == Status::pass);
    CHECK(it.state().detail == "1 of 2: b unknown");
    CHECK(it.state().since.mono == at(1).mono);
    CHECK_FALSE(it.state().ever_finished);
    CHECK(it.board.latest()->startup_latched);
    it.feed("b", passed("200"), 2);
    CHECK(it.state().detail == "2 of 2");
    CHECK(it.state().ever_finished);
    CHECK(it.state().last_pass == at(2).wall);

    it.feed("b", failed(Reason::timeout, "silent"), 3);
    CHECK(it.state().status == Status::pass);
    CHECK(it.judged(3).verdict == Status::pass);
    it.feed("a", failed(Reason::refused, "no"), 4);
    CHECK(it.state().status == Status::fail);
    CHECK(it.state().reason == Reason::refused);
    CHECK(it.state().detail == "0 of 2: a refused, b timeout");
    CHECK(it.state().last_pass == at(3).wall);
    CHECK(it.state().since.mono == at(4).mono);
    CHECK(it.judged(4).verdict == Status::fail);
    CHECK(it.state().changed.mono == at(4).mono);
    it.feed("b", passed("200"), 5);
    CHECK(it.state().status == Status::pass);
    CHECK(it.log.back() == "search pass 1 of 2: a refused");
    const auto& counters = it.state().counters.transitions;
    CHECK(counters[size_t(Status::pass)][size_t(Status::fail)] == 1);
    CHECK(counters[size_t(Status::fail)][size_t(Status::pass)] == 1);
    CHECK(counters[size_t(Status::unknown)][size_t(Status::pass)] == 1);
  }

  TEST_CASE("group: readers see it fail the moment too many members are stale, without a tick") {
    Board it;
    it.feed("a", passed("200"), 1);
    it.feed("b", passed("200"), 20);
    CHECK(it.judged(36.5).checks[0].stale);
    CHECK(it.judged(36.5).verdict == Status::pass);
    const auto late = it.judged(56);
    CHECK(late.checks[2].status == Status::fail);
    CHECK(late.checks[2].reason == Reason::stale);
    CHECK_FALSE(late.checks[2].detail.empty());
    CHECK(late.verdict == Status::fail);
    CHECK(late.stuck);
    CHECK(it.judged(30).valid_until <= at(36.5).mono);
    it.board.tick(at(56));
    CHECK(it.state().status == Status::fail);
    CHECK(it.state().detail == "0 of 2: a stale, b stale");
  }

  TEST_CASE("group: a group does not keep an agent alive whose checks are dead") {
    Board it;
    it.feed("a", passed("200"), 1);
    it.feed("b", passed("200"), 1);
    CHECK_FALSE(it.judged(30).stuck);
    CHECK(it.judged(40).stuck);
  }

  TEST_CASE("group: a muted member is not asked for; a muted group does not count") {
    Board it;
    it.feed("a", failed(Reason::refused, "no"), 1);
    it.feed("b", failed(Reason::timeout, "no"), 1);
    CHECK(it.judged(2).verdict == Status::fail);
    CHECK(it.board.mute("a", Duration(60'000), at(2)));
    CHECK(it.judged(3).verdict == Status::fail);
    CHECK(it.state().reason == Reason::timeout);
    CHECK(it.board.mute("b", Duration(60'000), at(3)));
    CHECK(it.judged(3).verdict == Status::pass);
    CHECK(it.judged(3).checks[2].muted_until == at(62).mono);  // the first of them
    CHECK(it.board.mute("search", Duration(90'000), at(3)));
    CHECK(it.judged(3).checks[2].muted_until == at(93).mono);
    CHECK(it.board.unmute("search", at(3)));
    CHECK(it.board.unmute("b", at(4)));
    CHECK(it.judged(4).verdict == Status::fail);
    CHECK(it.board.mute("search", Duration(60'000), at(5)));
    CHECK(it.judged(5).verdict == Status::pass);
    CHECK(it.judged(5).checks[2].status == Status::fail);
  }

  TEST_CASE("group: to mute the member that passes is no failure of the group") {
    Board it;
    it.feed("a", failed(Reason::refused, "no"), 1);
    it.feed("b", passed("200"), 1);
    CHECK(it.judged(2).verdict == Status::pass);
    CHECK(it.board.mute("b", Duration(60'000), at(2)));
    CHECK(it.judged(3).verdict == Status::pass);
    CHECK(it.judged(3).checks[2].counts);
    it.feed("b", failed(Reason::timeout, "no"), 4);
    CHECK(it.judged(4).verdict == Status::fail);
    CHECK(it.state().reason == Reason::refused);
  }

  TEST_CASE("group: members suppressed by a parent leave the group, all of them silence it") {
    Board it;
    auto db = test::spec("db");
    db->fall = 1;
    db->impact = Impact::degraded;
    auto below_a = std::make_shared<CheckSpec>(*it.a);
    auto below_b = std::make_shared<CheckSpec>(*it.b);
    below_a->parent = below_b->parent = "db";
    below_a->fingerprint = below_b->fingerprint = "below db";
    it.set({below_a, below_b, it.group, db});
    for (const char* check : {"a", "b"}) it.feed(check, failed(Reason::refused, "no"), 1);
    it.feed("db", passed("1"), 1);
    CHECK(it.judged(2).verdict == Status::fail);
    it.feed("db", failed(Reason::saturated, "no"), 3);
    const auto judged = it.judged(3);
    CHECK(judged.checks[2].suppressed_by == "db");
    CHECK_FALSE(judged.checks[2].counts);
    CHECK(judged.verdict == Status::warn);
  }

  TEST_CASE("group: a check whose parent is a group is silenced while the group fails") {
    Board it;
    auto child = test::spec("child");
    child->parent = "search";
    child->fall = 1;
    it.group->impact = Impact::degraded;
    it.set({it.a, it.b, it.group, child});
    it.feed("child", failed(Reason::status, "500"), 1);
    it.feed("a", passed("200"), 1);
    it.feed("b", failed(Reason::refused, "no"), 1);
    CHECK(it.judged(1).verdict == Status::fail);
    it.feed("a", failed(Reason::refused, "no"), 2);
    CHECK(it.judged(2).checks[3].suppressed_by == "search");
    CHECK(it.judged(2).verdict == Status::warn);
  }

  TEST_CASE("group: of heartbeats alone that nobody has posted it does not count, until one is") {
    static const KindSpec heartbeat{.name = "heartbeat",
                                    .component_type = "component",
                                    .doc = "",
                                    .settings = {},
                                    .metrics = {},
                                    .counts_while_unknown = false};
    Board it;
    it.group->startup = false;
    for (const auto& member : {it.a, it.b}) {
      member->kind = &heartbeat;
      member->fingerprint += " heartbeat";
    }
    it.group->fingerprint += " of heartbeats";
    it.set({it.a, it.b, it.group});
    it.feed("a", undecided("no call since the agent started"), 1);
    it.feed("b", undecided("no call since the agent started"), 1);
    CHECK(it.state().status == Status::unknown);
    CHECK_FALSE(it.judged(1).checks[2].counts);
    CHECK_FALSE(it.judged(1).checks[2].muted());
    CHECK(it.judged(1).verdict == Status::pass);
    CHECK(it.judged(1).ready);
    CHECK(render_line(*it.board.latest(), it.judged(2), {}, at(2)).find("unknown: search") !=
          std::string::npos);
    it.feed("b", failed(Reason::stale, "no call"), 2);
    CHECK(it.state().status == Status::fail);
    CHECK(it.judged(2).checks[2].counts);
    CHECK(it.judged(2).verdict == Status::fail);
    it.feed("b", passed("called"), 3);
    CHECK(it.judged(3).verdict == Status::pass);
  }

  TEST_CASE("group: it fails since the first failure of the member that tipped it") {
    Board it;
    for (const auto& member : {it.a, it.b}) member->fall = 2;
    it.feed("a", passed("200"), 1);
    it.feed("b", passed("200"), 1);
    it.feed("b", failed(Reason::refused, "no"), 2);
    it.feed("b", failed(Reason::refused, "no"), 3);
    it.feed("a", failed(Reason::refused, "no"), 4);
    it.feed("a", failed(Reason::refused, "no"), 6);
    CHECK(it.state().status == Status::fail);
    CHECK(it.state().since.mono == at(4).mono);
    CHECK(it.state().changed.mono == at(6).mono);
  }

  TEST_CASE("group: what fails since long ago tips it only when its mute ends, and since then") {
    Board it;
    it.feed("a", failed(Reason::refused, "no"), 1);
    it.feed("b", passed("200"), 2);
    CHECK(it.board.mute("a", Duration(60'000), at(3)));
    it.group->need = 2;
    it.feed("b", passed("200"), 4);
    CHECK(it.state().status == Status::pass);
    CHECK(it.board.unmute("a", at(10)));
    CHECK(it.state().status == Status::fail);
    CHECK(it.state().since.mono == at(10).mono);
  }

  TEST_CASE(
      "group: it is proven by as many members as it needs that are asked, and have answered") {
    Board it;
    const auto unproven = [&](double seconds) { return it.judged(seconds).checks[2].unproven; };
    CHECK(unproven(0.5));
    it.feed("a", passed("200"), 1);
    CHECK_FALSE(unproven(1));
    it.feed("b", passed("200"), 1);
    REQUIRE(it.board.pause(*it.a, at(2)));
    // "b" is asked, and one is enough.
    CHECK_FALSE(unproven(2));
    REQUIRE(it.board.pause(*it.b, at(3)));
    CHECK(unproven(3));
    CHECK(it.judged(3).checks[2].status == Status::pass);
    CHECK(it.board.mute("a", Duration(60'000), at(4)));
    CHECK(unproven(4));
    // The only one that is not left out has an answer of now.
    it.feed("b", warned(Reason::slow, "slow"), 5);
    CHECK_FALSE(unproven(5));
  }

  TEST_CASE("group: where it needs them all, one that rests or has said nothing is enough") {
    Board it;
    it.group->need = 2;
    const auto unproven = [&](double seconds) { return it.judged(seconds).checks[2].unproven; };
    it.feed("a", passed("200"), 1);
    CHECK(unproven(1));
    it.feed("b", passed("200"), 1);
    CHECK_FALSE(unproven(1));
    REQUIRE(it.board.pause(*it.a, at(2)));
    CHECK(unproven(2));
    it.feed("a", passed("200"), 3);
    CHECK_FALSE(unproven(3));
    it.feed("b", internal_error("a bug"), 4);
    CHECK(unproven(4));
    it.feed("b", passed("200"), 5);
    CHECK_FALSE(unproven(5));
    // A failure needs no proof by others.
    REQUIRE(it.board.pause(*it.a, at(6)));
    it.feed("b", failed(Reason::refused, "no"), 7);
    CHECK(it.state().status == Status::fail);
    CHECK_FALSE(unproven(7));
  }

  TEST_CASE("group: after a resume nothing proves it until its members have been asked") {
    Board it;
    it.feed("a", passed("200"), 1);
    it.board.resume({at(1.5).mono, at(2)}, resume_grace);
    CHECK(it.judged(3).checks[2].status == Status::pass);
    CHECK(it.judged(3).checks[2].unproven);
    it.feed("a", passed("200"), 4);
    CHECK_FALSE(it.judged(4).checks[2].unproven);
  }

  TEST_CASE("group: a reload that leaves it as it was keeps its status and its counters") {
    Board it;
    it.feed("a", passed("200"), 1);
    it.feed("b", failed(Reason::refused, "no"), 1);
    const auto since = it.state().since.mono;
    it.set({it.a, it.b, it.group});
    CHECK(it.state().status == Status::pass);
    CHECK(it.state().since.mono == since);
    // One that is new counts from its first status on.
    auto other = std::make_shared<CheckSpec>(*it.group);
    other->name = other->fingerprint = "other";
    other->need = 2;
    auto c = Board::member("c");
    other->members = {"a", "c"};
    it.set({it.a, it.b, it.group, c, other});
    CHECK(it.judged(2).checks[4].status == Status::unknown);
    CHECK(it.judged(2).verdict == Status::pass);
  }

  TEST_CASE("group: in the documents it is a check of kind group with its share of members") {
    Board it;
    it.feed("a", passed("200"), 1);
    it.feed("b", failed(Reason::timeout, "silent"), 1);
    const auto snapshot = it.board.latest();
    const auto judgement = it.judged(2);
    const auto json = render_json(*snapshot, judgement, {}, {}, at(2));
    for (const char* part :
         {"\"search:members\"", "\"observedValue\": 1", "\"observedUnit\": \"passing\"",
          "\"kind\": \"group\"", "\"output\": \"1 of 2: b timeout\"", "\"b:responseTime\""}) {
      CAPTURE(part);
      CHECK(json.find(part) != std::string::npos);
    }
    const auto text = render_text(*snapshot, judgement, {}, at(2));
    CHECK(text.starts_with("pass: search a | info: b timeout\n"));
    CHECK(text.find("[✓] search: 1 of 2: b timeout (1 passing)\n") != std::string::npos);
  }
}

}  // namespace
}  // namespace vitals
