// How the status of a group follows from its members.
#include "agent/verdict/group.hpp"

#include <algorithm>
#include <array>

#include <vitals/text.hpp>

namespace vitals {
namespace {

bool is_well(Status status) { return status == Status::pass || status == Status::warn; }

struct Count {
  int pass = 0;
  int warn = 0;
  int fail = 0;
  int unknown = 0;

  [[nodiscard]] int all() const { return pass + warn + fail + unknown; }
};

/// Whose word is taken.
using Taken = bool (*)(const MemberView& member);

bool remains(const MemberView& member) { return !member.is_out(); }
bool remains_or_is_well(const MemberView& member) {
  return !member.is_out() || is_well(member.status);
}
bool is_member(const MemberView&) { return true; }

Count count_of(std::span<const MemberView> members, Taken taken) {
  Count count;
  for (const MemberView& member : members) {
    if (!taken(member)) continue;
    switch (member.status) {
      case Status::unknown:
        ++count.unknown;
        break;
      case Status::pass:
        ++count.pass;
        break;
      case Status::warn:
        ++count.warn;
        break;
      case Status::fail:
        ++count.fail;
        break;
    }
  }
  return count;
}

Reason first_warning(std::span<const MemberView> members, Taken taken) {
  const auto found = std::find_if(members.begin(), members.end(), [&](const MemberView& member) {
    return member.status == Status::warn && taken(member);
  });
  return found == members.end() ? Reason::none : found->reason;
}

Reason most_common_failure(std::span<const MemberView> members, Taken taken) {
  std::array<int, reason_count> votes{};
  Reason winner = Reason::none;
  for (const MemberView& member : members) {
    if (member.status == Status::fail && taken(member)) {
      ++votes[static_cast<std::size_t>(member.reason)];
    }
  }
  for (const MemberView& member : members) {
    const int mine = votes[static_cast<std::size_t>(member.reason)];
    if (mine > votes[static_cast<std::size_t>(winner)]) winner = member.reason;
  }
  return winner;
}

GroupStatus judge_among(std::span<const MemberView> members, int need, Taken taken) {
  const Count count = count_of(members, taken);
  need = std::min(need, count.all());
  GroupStatus group;
  group.well = static_cast<std::size_t>(count.pass) + static_cast<std::size_t>(count.warn);
  if (count.pass >= need) {
    group.status = Status::pass;
  } else if (count.pass + count.warn >= need) {
    group.status = Status::warn;
    group.reason = first_warning(members, taken);
  } else if (count.all() - count.fail >= need) {
    group.status = Status::unknown;
  } else {
    group.status = Status::fail;
    group.reason = most_common_failure(members, taken);
  }
  return group;
}

/// The smaller, the better.
int rank_of(Status status) {
  switch (status) {
    case Status::pass:
      return 0;
    case Status::warn:
      return 1;
    case Status::unknown:
      return 2;
    case Status::fail:
      return 3;
  }
  VITALS_ASSERT(false);
  return 3;
}

}  // namespace

const KindSpec& group_kind() {
  static const KindSpec kind{.name = "group",
                             .component_type = "component",
                             .doc = "as many of its members as are needed are well",
                             .settings = {},
                             .metrics = {},
                             .measurement = "members"};
  return kind;
}

GroupStatus judge_group(std::span<const MemberView> members, int need) {
  if (std::none_of(members.begin(), members.end(), remains)) {
    GroupStatus group = judge_among(members, need, is_member);
    group.all_out = true;
    return group;
  }
  const GroupStatus without = judge_among(members, need, remains);
  const GroupStatus with = judge_among(members, need, remains_or_is_well);
  return rank_of(with.status) < rank_of(without.status) ? with : without;
}

std::string group_detail(std::span<const MemberView> members) {
  std::size_t well = 0;
  std::string unwell;
  for (const MemberView& member : members) {
    const bool good = is_well(member.status);
    if (good) ++well;
    if (member.status == Status::pass && !member.left_out) continue;
    unwell.append(unwell.empty() ? ": " : ", ").append(member.name).append(" ");
    unwell.append(member.reason == Reason::none ? to_label(member.status)
                                                : to_label(member.reason));
    if (member.left_out) unwell.append(" (left out)");
  }
  return clean_text(std::to_string(well) + " of " + std::to_string(members.size()) + unwell);
}

}  // namespace vitals
