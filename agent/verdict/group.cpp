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

Count count_of(std::span<const MemberView> members, bool with_those_out) {
  Count count;
  for (const MemberView& member : members) {
    if (member.is_out() && !with_those_out) continue;
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

Reason first_warning(std::span<const MemberView> members) {
  const auto found = std::find_if(members.begin(), members.end(), [](const MemberView& member) {
    return member.status == Status::warn && !member.is_out();
  });
  return found == members.end() ? Reason::none : found->reason;
}

Reason most_common_failure(std::span<const MemberView> members, bool with_those_out) {
  std::array<int, reason_count> votes{};
  Reason winner = Reason::none;
  for (const MemberView& member : members) {
    if (member.status == Status::fail && (with_those_out || !member.is_out())) {
      ++votes[static_cast<std::size_t>(member.reason)];
    }
  }
  for (const MemberView& member : members) {
    const int mine = votes[static_cast<std::size_t>(member.reason)];
    if (mine > votes[static_cast<std::size_t>(winner)]) winner = member.reason;
  }
  return winner;
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
  GroupStatus group;
  Count count = count_of(members, false);
  group.all_out = count.all() == 0;
  if (group.all_out) count = count_of(members, true);
  need = std::min(need, count.all());
  group.well = static_cast<std::size_t>(count.pass + count.warn);
  if (count.pass >= need) {
    group.status = Status::pass;
  } else if (count.pass + count.warn >= need) {
    group.status = Status::warn;
    group.reason = first_warning(members);
  } else if (count.all() - count.fail >= need) {
    group.status = Status::unknown;
  } else {
    group.status = Status::fail;
    group.reason = most_common_failure(members, group.all_out);
  }
  return group;
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
