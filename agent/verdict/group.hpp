// Groups: a check made of checks (k of n). Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <vitals/check.hpp>

namespace vitals {

/// What stands for the kind of a group wherever checks are shown; it makes no probe.
[[nodiscard]] const KindSpec& group_kind();

/// A member as its group sees it at one moment.
struct MemberView {
  std::string_view name;
  Status status = Status::unknown;
  Reason reason = Reason::none;
  /// Muted or suppressed: the group goes on without it.
  bool left_out = false;
  /// As is_unfed() says: nothing is known of it, nor needs to be; the group goes on without it,
  /// too.
  bool unfed = false;

  [[nodiscard]] bool is_out() const { return left_out || unfed; }
};

/// A heartbeat that nobody has posted yet: unknown, and it does not count (contract §3.2).
[[nodiscard]] inline bool is_unfed(const CheckSpec& spec, Status status) {
  return status == Status::unknown && !spec.kind->counts_while_unknown;
}

struct GroupStatus {
  Status status = Status::unknown;
  /// Of a fail: what most of the failing members say, of equals the first. Of a warn: the first
  /// warning member's.
  Reason reason = Reason::none;
  std::size_t well = 0;  // members that pass or warn
  /// Every member is out, and so the group does not count; the status is as if none were.
  bool all_out = false;
};

/// pass: `need` members pass. warn: it takes warning ones to have as many. fail: not even those
/// that are still unknown could make it so many; else unknown. Of members that are out none is
/// asked for: `need` shrinks to what remains. But one of them that is well counts where that helps:
/// who mutes a member that passes, or whose parent fails, takes nothing from the group.
[[nodiscard]] GroupStatus judge_group(std::span<const MemberView> members, int need);

/// What the group is from now on: one that had a status waits for a member that a reload changed,
/// but not for members of which nothing is asked.
[[nodiscard]] inline Status group_status(const GroupStatus& now, Status before) {
  return now.status == Status::unknown && !now.all_out ? before : now.status;
}

/// "2 of 2", "1 of 2: search-b timeout": who is not well, and why.
[[nodiscard]] std::string group_detail(std::span<const MemberView> members);

}  // namespace vitals
