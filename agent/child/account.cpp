// Looks up users and groups (passwd(5), group(5)).
#include "agent/child/account.hpp"

#include <unistd.h>

#include <charconv>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <vector>

namespace vitals::child {
namespace {

std::string read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text = text.substr(at + 1);
  }
}

std::optional<std::uint32_t> to_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  // The last number means "unchanged" to setresuid(2).
  constexpr std::uint32_t unchanged = ~0U;
  if (error != std::errc() || end != text.data() + text.size() || number == unchanged) return {};
  return number;
}

using Fields = std::vector<std::string_view>;

/// The first line with at least `count` fields that `wanted` takes.
std::optional<Fields> find_line(std::string_view file, std::size_t count,
                                const std::function<bool(const Fields&)>& wanted) {
  for (const std::string_view line : split(file, '\n')) {
    Fields fields = split(line, ':');
    if (fields.size() >= count && wanted(fields)) return fields;
  }
  return std::nullopt;
}

constexpr std::size_t id_field = 2;
constexpr std::size_t own_group_field = 3;
constexpr std::size_t members_field = 3;

/// A line of passwd or group whose name is `name`, or else whose number that is.
std::optional<Fields> find_entry(std::string_view file, std::size_t count, std::string_view name) {
  if (auto by_name = find_line(file, count, [&](const Fields& f) { return f[0] == name; })) {
    return by_name;
  }
  return to_number(name)
             ? find_line(file, count,
                         [&](const Fields& f) { return to_number(f[id_field]) == to_number(name); })
             : std::nullopt;
}

Result<gid_t> find_group(std::string_view name, const AccountFiles& files) {
  const auto entry = find_entry(files.group, id_field + 1, name);
  const auto number = entry ? to_number((*entry)[id_field]) : to_number(name);
  if (number) return *number;
  return Error{"there is no group '" + std::string(name) +
               "' in /etc/group; write its number, or create it in the image"};
}

std::optional<Error> add_groups_of(std::string_view user, const AccountFiles& files,
                                   Account& account) {
  for (const std::string_view line : split(files.group, '\n')) {
    const Fields fields = split(line, ':');
    if (fields.size() <= members_field) continue;
    const auto number = to_number(fields[id_field]);
    if (!number || *number == account.gid) continue;
    for (const std::string_view member : split(fields[members_field], ',')) {
      if (member != user) continue;
      if (account.group_count == groups_max) {
        return Error{"'" + std::string(user) + "' is in more than 64 groups"};
      }
      account.groups[account.group_count++] = *number;
      break;
    }
  }
  return std::nullopt;
}

}  // namespace

AccountFiles read_account_files() { return {read_file("/etc/passwd"), read_file("/etc/group")}; }

Result<Account> find_account(std::string_view user, const AccountFiles& files) {
  const auto colon = user.find(':');
  const std::string_view name = user.substr(0, colon);
  const auto entry = find_entry(files.passwd, own_group_field + 1, name);
  const auto uid = entry ? to_number((*entry)[id_field]) : to_number(name);
  if (!uid) {
    return Error{"there is no user '" + std::string(name) +
                 "' in /etc/passwd; write \"uid:gid\", or create it in the image"};
  }
  Account account;
  account.change = true;
  account.uid = *uid;
  account.group_count = 1;
  if (colon != std::string_view::npos) {
    const auto group = find_group(user.substr(colon + 1), files);
    if (!group) return group.error();
    account.gid = account.groups[0] = group.value();
    return account;
  }
  const auto own = entry ? to_number((*entry)[own_group_field]) : std::nullopt;
  if (!own) {
    return Error{"'" + std::string(name) +
                 "' is not in /etc/passwd, so its group is not known; write \"uid:gid\""};
  }
  account.gid = account.groups[0] = *own;
  if (auto error = add_groups_of((*entry)[0], files, account)) return *error;
  return account;
}

Result<Account> account_of(const AppUser& user) {
  if (user.name.empty()) return Account{};
  auto account = find_account(user.name, read_account_files());
  if (!account) return Error{user.place + ": " + account.error().message};
  if (geteuid() == 0) return account;
  if (account.value().uid == geteuid() && account.value().gid == getegid()) return Account{};
  return Error{user.place + ": only root can become '" + user.name +
               "'; start vitals as root, or remove the key"};
}

}  // namespace vitals::child
