// What `./dev image --examples` built from the Dockerfile of each example, run as a Machine would
// run it: its entry point, its user, its folder. Takes root and those images; without them it says
// so.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "tests/support/agent.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/process.hpp"
#include "tests/support/skipped.hpp"

namespace vitals::test {
namespace {

namespace fs = std::filesystem;

fs::path built(const std::string& name) { return source_dir() / "build/examples" / name; }

bool cannot_run() {
  const bool can = getuid() == 0 && fs::exists(built("websocket-chat/config.json"));
  if (!can) skipped("images of the examples: ./dev image --examples, as root, builds them");
  return !can;
}

std::string quoted(const std::string& word) { return "'" + word + "'"; }

/// One container: how its image says that it is started.
class Container {
 public:
  explicit Container(const std::string& name) : root_(built(name) / "rootfs") {
    const auto file = nlohmann::json::parse(read_file(built(name) / "config.json"));
    config_ = file.at("OCIv1").at("config");
  }

  /// Words of a shell that end in the program. `command`: instead of the image's CMD.
  [[nodiscard]] std::string start(const std::vector<std::string>& command = {}) const {
    const std::string root = quoted(root_.string());
    std::string script = "mkdir -p " + root + "/proc " + root + "/dev; mount -t proc proc " + root +
                         "/proc; mount --rbind /dev " + root + "/dev; exec unshare --root=" + root +
                         " --wd=" + quoted(config_.value("WorkingDir", "/")) + user();
    for (const auto& word : config_.value("Entrypoint", std::vector<std::string>{})) {
      script += " " + quoted(word);
    }
    for (const auto& word :
         command.empty() ? config_.value("Cmd", std::vector<std::string>{}) : command) {
      script += " " + quoted(word);
    }
    return script;
  }

 private:
  /// " --setgid=G --setuid=U", looked up in the image as a container runtime does.
  [[nodiscard]] std::string user() const {
    const auto name = config_.value("User", "");
    if (name.empty()) return "";
    std::smatch ids;
    if (std::regex_match(name, ids, std::regex("(\\d+):(\\d+)"))) return numbers(ids);
    const auto users = read_file(root_ / "etc/passwd");
    REQUIRE(std::regex_search(users, ids, std::regex("\n" + name + ":x:(\\d+):(\\d+):")));
    return numbers(ids);
  }
  static std::string numbers(const std::smatch& ids) {
    return " --setgid=" + ids[2].str() + " --setuid=" + ids[1].str();
  }

  fs::path root_;
  nlohmann::json config_;
};

/// Scripts in a Machine of their own: a network with loopback alone, mounts and pids.
Command machine(const std::string& example, const std::string& script,
                const std::map<std::string, std::string>& more = {}) {
  Command command{{"unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec",
                   "ip link set lo up; " + script}};
  command.clean_environment = true;
  command.environment = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                         {"DATABASE_URL", "postgres://app:secret-Pw1@127.0.0.1:5432/app"},
                         {"REDIS_URL", "redis://127.0.0.1:6379"},
                         {"API_URL", "https://192.0.2.1"}};
  const auto fly = read_file(source_dir() / "examples" / example / "fly.toml");
  std::smatch port;
  if (std::regex_search(fly, port, std::regex("PORT = \"(\\d+)\""))) {
    command.environment["PORT"] = port[1];
  }
  for (const auto& [name, value] : more) command.environment[name] = value;
  return command;
}

/// curl inside of that Machine: body, then the code.
std::string ask(const Process& there, const std::string& url) {
  return run({{"nsenter", "--net=/proc/" + std::to_string(there.pid()) + "/ns/net", "curl", "-s",
               "-m", "5", "-w", "%{http_code}", "http://127.0.0.1:" + url}})
      .output;
}

struct Shape {
  std::string example;
  std::string check;  // the one that asks the app
  std::string port;   // where users come
};

bool has_database(const std::string& example) {
  return read_file(source_dir() / "examples" / example / "vitals.toml").find("[checks.db]") !=
         std::string::npos;
}

/// The agent answers, what it asks of the app passes, and the app is there and is not root.
void expect_alive(const Process& there, const Shape& shape) {
  CAPTURE(shape.example);
  const bool passes =
      eventually([&] { return ask(there, "9100/health/check/" + shape.check).ends_with("200"); },
                 std::chrono::seconds(30));
  CHECK_MESSAGE(passes, there.output());
  const std::string app = ask(there, shape.port + "/hello");
  CHECK(app.find("/hello\n200") != std::string::npos);
  CHECK(app.starts_with("app of uid "));
  CHECK_FALSE(app.starts_with("app of uid 0 "));
  // Nobody listens where the database should be: that is said, with its name.
  if (has_database(shape.example)) {
    CHECK(eventually([&] {
      return ask(there, "9100/health?format=line").find("db refused") != std::string::npos;
    }));
  }
}

TEST_CASE("examples: the image of each parent runs the app behind the front door, as its user") {
  if (cannot_run()) return;
  for (const Shape& shape :
       {Shape{"parent", "app", "8080"}, Shape{"voice-bot", "app", "8080"},
        Shape{"voice-platform", "app", "8080"}, Shape{"api-fly-postgres", "api", "8080"},
        Shape{"websocket-chat", "chat", "8080"}}) {
    const Process there(machine(shape.example, Container(shape.example).start()));
    expect_alive(there, shape);
    // What Fly's routing check asks: whoever has never reached its database has not started yet.
    const std::string code = has_database(shape.example) ? "503" : "200";
    CHECK(eventually([&] { return ask(there, "8080/health/ready").ends_with(code); }));
    // COPY --from is the binary of the image, byte for byte.
    CHECK(read_file(built(shape.example) / "rootfs/usr/local/bin/vitals") ==
          read_file(built("container-vitals") / "rootfs/vitals"));
  }
}

TEST_CASE("examples: in the image of the second process the app and the agent run side by side") {
  if (cannot_run()) return;
  const Process there(machine("second-process", Container("second-process").start()));
  expect_alive(there, {"second-process", "app", "8080"});
}

TEST_CASE("examples: two containers with one network: the app's image knows nothing of vitals") {
  if (cannot_run()) return;
  const Process there(machine("container", "(" + Container("container").start() + ") & " +
                                               Container("container-vitals").start()));
  expect_alive(there, {"container", "app", "8080"});
  CHECK_FALSE(fs::exists(built("container") / "rootfs/usr/local/bin/vitals"));
}

TEST_CASE("examples: release_command runs through the image's entry point, and alone") {
  if (cannot_run()) return;
  for (const std::string example : {"parent", "second-process"}) {
    CAPTURE(example);
    const Finished migrated =
        run(machine(example, Container(example).start({"sh", "-c", "echo migrated; exit 7"}),
                    {{"RELEASE_COMMAND", "1"}}));
    CHECK(migrated.code == 7);
    CHECK(migrated.output == "migrated\n");
  }
}

}  // namespace
}  // namespace vitals::test
