// From `[app] user` to numbers, by /etc/passwd and /etc/group: a static program has no name
// services, and an image that drops privileges carries these files.
#pragma once

#include <string>
#include <string_view>

#include <vitals/result.hpp>

#include "agent/child/link.hpp"
#include "agent/config/app_config.hpp"

namespace vitals::child {

struct AccountFiles {
  std::string passwd;  // contents; empty: not there
  std::string group;
};
/// Blocking disk I/O; a file that can't be read is empty.
[[nodiscard]] AccountFiles read_account_files();

/// `user` is "name", "name:group", "uid" or "uid:gid". Without a group: the user's own and every
/// other that lists the user, as a login gives; with one: that alone. A number need not be in the
/// files when the group is given. The error says what is missing and the way out, not where.
[[nodiscard]] Result<Account> find_account(std::string_view user, const AccountFiles& files);

/// find_account() with the real files, and whether we may become it: nothing to change is fine for
/// everybody, anything else takes root. Without a name nothing changes. The error begins with the
/// place.
[[nodiscard]] Result<Account> account_of(const AppUser& user);

}  // namespace vitals::child
