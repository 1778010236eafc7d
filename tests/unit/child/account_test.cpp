// `[app] user` against /etc/passwd and /etc/group.
#include <doctest/doctest.h>

#include <vector>

#include "agent/child/account.hpp"

namespace vitals::child {
namespace {

const AccountFiles files{
    "root:x:0:0:root:/root:/bin/sh\nbroken\nnode:x:1000:1001::/home/node:/bin/sh\n42:x:7:7::/:\n",
    "root:x:0:\nnode:x:1001:\nweb:x:50:www,node\nlogs:x:51:node\nodd:x:x:node\nnodes:x:60:nodeo\n"};

std::vector<gid_t> groups_of(const Account& account) {
  return {account.groups.begin(), account.groups.begin() + account.group_count};
}

TEST_CASE("user: a name brings its own group and those that list it") {
  const auto account = find_account("node", files);
  REQUIRE(account);
  CHECK(account.value().change);
  CHECK(account.value().uid == 1000);
  CHECK(account.value().gid == 1001);
  CHECK(groups_of(account.value()) == std::vector<gid_t>{1001, 50, 51});
}

TEST_CASE("user: a number is looked up, and a name that looks like one wins") {
  CHECK(groups_of(find_account("1000", files).value()) == std::vector<gid_t>{1001, 50, 51});
  CHECK(find_account("42", files).value().uid == 7);
}

TEST_CASE("user: with a group it has that one alone") {
  const auto account = find_account("node:web", files);
  REQUIRE(account);
  CHECK(account.value().gid == 50);
  CHECK(groups_of(account.value()) == std::vector<gid_t>{50});
  CHECK(find_account("1234:4321", files).value().uid == 1234);
  CHECK(find_account("1234:4321", files).value().gid == 4321);
}

TEST_CASE("user: what is missing is said with the way out") {
  const auto error = [](std::string_view user, const AccountFiles& from) {
    const auto account = find_account(user, from);
    return account ? std::string("none") : account.error().message;
  };
  CHECK(error("nod", files).find("no user 'nod' in /etc/passwd; write \"uid:gid\"") !=
        std::string::npos);
  CHECK(error("node:nobody", files).find("no group 'nobody' in /etc/group") != std::string::npos);
  CHECK(error("1234", files).find("its group is not known; write \"uid:gid\"") !=
        std::string::npos);
  CHECK(error("node", {}).find("no user 'node'") != std::string::npos);
  CHECK(error("4294967295:1", files) != "none");
  AccountFiles many = files;
  for (int i = 0; i < 70; ++i)
    many.group += "g" + std::to_string(i) + ":x:" + std::to_string(2'000 + i) + ":node\n";
  CHECK(error("node", many).find("more than 64 groups") != std::string::npos);
}

TEST_CASE("user: nobody asked for changes nothing") { CHECK(!account_of({}).value().change); }

TEST_CASE("user: what is wrong with it is said at its place") {
  const auto account = account_of({"no-such-user-of-vitals", "v.toml:2:8: app: 'user'"});
  REQUIRE(!account);
  CHECK(account.error().message.starts_with(
      "v.toml:2:8: app: 'user': there is no user 'no-such-user-of-vitals' in /etc/passwd; write "));
}

}  // namespace
}  // namespace vitals::child
