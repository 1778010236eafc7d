// Which file is read, how it is named, and the real kinds behind load_config() and print_config().
#include <doctest/doctest.h>

#include <filesystem>

#include "agent/config/config.hpp"
#include "tests/support/check_fixture.hpp"
#include "tests/support/process.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;

ConfigSource source_with(std::map<std::string, std::string> variables,
                         std::optional<fs::path> file = std::nullopt) {
  ConfigSource source;
  source.file = std::move(file);
  source.environment = [variables](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(std::string(name));
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  source.environment_names = [variables] {
    std::vector<std::string> names;
    for (const auto& [name, value] : variables) names.push_back(name);
    return names;
  };
  return source;
}

/// Goes back where it came from.
class InFolder {
 public:
  explicit InFolder(const fs::path& folder) : before_(fs::current_path()) {
    fs::current_path(folder);
  }
  ~InFolder() { fs::current_path(before_); }
  InFolder(const InFolder&) = delete;
  InFolder& operator=(const InFolder&) = delete;

 private:
  fs::path before_;
};

TEST_CASE("config: --config wins over VITALS_CONFIG, that over ./vitals.toml") {
  const test::TempDir dir;
  const InFolder inside(dir.path());
  CHECK(find_config(source_with({{"VITALS_CONFIG", "b.toml"}}, "a.toml")) == fs::path("a.toml"));
  CHECK(find_config(source_with({{"VITALS_CONFIG", "b.toml"}})) == fs::path("b.toml"));
  CHECK(find_config(source_with({{"VITALS_CONFIG", ""}})) != fs::path(""));
  CHECK(find_config(source_with({})) != fs::path("vitals.toml"));
  dir.write("vitals.toml", "");
  CHECK(find_config(source_with({})) == fs::path("vitals.toml"));
  CHECK(find_config(source_with({{"VITALS_CONFIG", "b.toml"}})) == fs::path("b.toml"));
}

TEST_CASE("config: a link to a file that is not there is no missing file but a mistake") {
  const test::TempDir dir;
  const InFolder inside(dir.path());
  fs::create_symlink("not-mounted.toml", "vitals.toml");
  CHECK(find_config(source_with({})) == fs::path("vitals.toml"));
  const auto refused = load_config(source_with({}));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().lines.front().find("vitals.toml: cannot read it") != std::string::npos);
}

TEST_CASE("config: mistakes name the file as it was given or found") {
  const test::TempDir dir;
  const InFolder inside(dir.path());
  dir.write("vitals.toml", "a = 1\n");
  dir.write("other.toml", "a = 1\n");
  const auto first_mistake = [](const ConfigSource& source) {
    const auto config = load_config(source);
    return config ? "none" : config.error().lines.front();
  };
  CHECK(first_mistake(source_with({})) == "vitals.toml:1:1: unknown key 'a'");
  CHECK(first_mistake(source_with({}, "./other.toml")) == "./other.toml:1:1: unknown key 'a'");
  CHECK(first_mistake(source_with({{"VITALS_CONFIG", "other.toml"}})) ==
        "other.toml:1:1: unknown key 'a'");
  CHECK(first_mistake(source_with({}, "none.toml")) ==
        "none.toml: cannot read it: No such file or directory");
  CHECK(first_mistake(source_with({{"VITALS_CONFIG", "."}})) ==
        ".: cannot read it: Is a directory");
}

TEST_CASE("config: a file that is larger than 4 MiB is refused") {
  const test::TempDir dir;
  const auto file = dir.write("large.toml", std::string(4 * 1024 * 1024 + 1, '\n'));
  const auto config = load_config(source_with({}, file));
  REQUIRE(!config.ok());
  CHECK(config.error().lines.front() == file.string() + ": cannot read it: more than 4 MiB");
}

TEST_CASE("config: the environment makes checks of the real kinds, and prints without secrets") {
  const test::TempDir dir;
  const auto file = dir.write("none.toml", "");
  const auto source =
      source_with({{"VITALS_CONFIG", ""},
                   {"PORT", "8080"},
                   {"DATABASE_URL", "postgres://app:canary@db.internal:5432/app?sslmode=disable"},
                   {"REDIS_URL", "rediss://default:canary@cache.internal:6379"},
                   {"VITALS_CHECK_QUEUE", "tcp://queue.internal:5672"},
                   {"VITALS_CHECK_API", "https://user:canary@api.internal/v1?key=canary"}});
  const InFolder inside(dir.path());
  if (find_config(source)) return;  // This machine has an /etc/vitals.toml; nothing to see here.
  const auto config = load_config(source);
  REQUIRE(config.ok());
  std::vector<std::string> checks;
  for (const auto& check : config.value().checks) {
    checks.push_back(check.spec->name + " " + check.spec->target);
  }
  CHECK(checks == std::vector<std::string>{
                      "app tcp://localhost:8080", "postgres postgres://db.internal:5432",
                      "redis rediss://cache.internal:6379", "api https://api.internal:443",
                      "queue tcp://queue.internal:5672"});
  const auto text = print_config(source);
  REQUIRE(text.ok());
  CHECK(text.value().find("canary") == std::string::npos);
  CHECK(text.value().find("url = \"postgres://app:***@db.internal:5432/app?sslmode=***\"") !=
        std::string::npos);
}

TEST_CASE("config: the text that was in force takes the place of a file that went bad") {
  const test::TempDir dir;
  const std::string good = "[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:1\"\n";
  const auto file = dir.write("vitals.toml", good);
  const auto before = load_config(source_with({}, file));
  REQUIRE(before.ok());
  REQUIRE(before.value().origin);
  CHECK(before.value().origin->text == good);
  CHECK(before.value().origin->path == file);
  dir.write("vitals.toml", "[checks.app\n");
  REQUIRE_FALSE(load_config(source_with({}, file)).ok());
  const auto after = load_config(source_with({}, file), *before.value().origin);
  REQUIRE(after.ok());
  CHECK(after.value().source == before.value().source);
  CHECK(after.value().checks.at(0).spec->fingerprint ==
        before.value().checks.at(0).spec->fingerprint);
  CHECK_FALSE(load_config(source_with({}, std::nullopt)).value().origin.has_value());
}

TEST_CASE("config: no password rewrites a target, its own or another's, nor a printed choice") {
  const test::TempDir dir;
  const auto file = dir.write("vitals.toml", R"(
[checks.db]
kind = "postgres"
url = "postgres://postgres:postgres@127.0.0.1:1/postgres"
expect_role = "primary"
[checks.replica]
kind = "postgres"
url = "postgres://app:primary@localhost/app"
expect_role = "primary"
[checks.cache]
kind = "redis"
url = "redis://:127.0.0.1@redis.internal:6379"
[checks.line]
kind = "tcp"
address = "127.0.0.1:1"
send = "connections refused\nAUTH hunter2222"
)");
  const auto config = load_config(source_with({}, file));
  REQUIRE(config.ok());
  std::vector<std::string> targets;
  for (const auto& check : config.value().checks) targets.push_back(check.spec->target);
  CHECK(targets == std::vector<std::string>{"postgres://127.0.0.1:1", "postgres://localhost:5432",
                                            "redis://redis.internal:6379", "tcp://127.0.0.1:1"});
  const auto& line = config.value().checks.back();
  const std::string said = "postgres, primary: connections refused";
  CHECK(config.value().checks.front().secrets->scrub("2 " + said) ==
        "2 ***, primary: connections refused");
  CHECK(config.value().checks[2].secrets->scrub(said) == said);
  CHECK(config.value().checks[1].spec->settings_text.find("expect_role = \"primary\"") !=
        std::string::npos);
  CHECK(line.spec->settings_text.find("send = \"***\"") != std::string::npos);
}

TEST_CASE("fixture: a check made of a few lines answers, and a wrong one says why") {
  const auto port = test::free_port();
  const auto check = test::make_check("kind = \"tcp\"\naddress = \"127.0.0.1:${P}\"",
                                      {{"P", std::to_string(port)}});
  CHECK(test::ask(check).reason == Reason::refused);
  CHECK_THROWS_WITH(static_cast<void>(test::make_check("kind = \"tcp\"")),
                    "test.toml:1:9: checks.test: missing key 'address'\n");
}

}  // namespace
}  // namespace vitals
