// The image, run as its user, in its root, in a network namespace of its own: the one in the folder
// VITALS_IMAGE, as `./dev image` and `./dev test` make it. Takes root.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/certificates.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/machine.hpp"
#include "tests/support/process.hpp"

namespace vitals::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t binary_bytes_max = 7'000'000;
constexpr const char* image_user = "65532:65532";

fs::path image() {
  const char* const folder = std::getenv("VITALS_IMAGE");
  if (folder == nullptr || !fs::exists(fs::path(folder) / "config.json")) {
    throw std::runtime_error("no image: run ./dev image, and give its folder in VITALS_IMAGE");
  }
  return folder;
}

/// A copy of the image's root with the mount points that a container runtime adds.
class Root {
 public:
  Root() {
    fs::copy(image() / "rootfs", folder_.path() / "root", fs::copy_options::recursive);
    fs::create_directories(path() / "proc");
  }
  [[nodiscard]] fs::path path() const { return folder_.path() / "root"; }

  /// Runs words of a shell in new network, process and mount namespaces, then the image's program.
  [[nodiscard]] Command command(const std::string& before,
                                const std::vector<std::string>& words) const {
    std::string script = "set -e; mount -t proc proc '" + (path() / "proc").string() + "'; " +
                         before + " exec chroot --userspec=" + image_user + " '" + path().string() +
                         "' /vitals";
    for (const auto& word : words) script += " '" + word + "'";
    Command command{
        {"unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script}};
    command.clean_environment = true;
    command.environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}};
    return command;
  }

 private:
  TempDir folder_;
};

constexpr const char* loopback = "ip link set lo up;";

/// The agent's process as seen from here: the only child of the only child of `unshare`.
std::string agent_pid(const Process& unshare) {
  const auto children = [](const std::string& pid) {
    std::ifstream file("/proc/" + pid + "/task/" + pid + "/children");
    std::string child;
    file >> child;
    return child;
  };
  return children(std::to_string(unshare.pid()));
}

/// curl inside of the agent's network namespace; the code, then the body.
std::string ask(const Process& agent, const std::string& target) {
  return run({{"nsenter", "--net=/proc/" + agent_pid(agent) + "/ns/net", "curl", "-s", "-m", "5",
               "-w", "\n%{http_code}", "http://127.0.0.1:9100" + target}})
      .output;
}

TEST_CASE("image: holds the binary, a CA bundle and a user, and nothing else") {
  if (!Machine::possible()) return;
  std::set<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(image() / "rootfs")) {
    if (!entry.is_directory()) {
      files.insert(fs::relative(entry.path(), image() / "rootfs").string());
    }
  }
  CHECK(files == std::set<std::string>{"etc/group", "etc/passwd",
                                       "etc/ssl/certs/ca-certificates.crt", "vitals"});
  CHECK(fs::file_size(image() / "rootfs/vitals") <= binary_bytes_max);
  CHECK(read_file(image() / "rootfs/etc/ssl/certs/ca-certificates.crt")
            .find("-----BEGIN CERTIFICATE-----") != std::string::npos);
  const auto config =
      nlohmann::json::parse(read_file(image() / "config.json")).at("OCIv1").at("config");
  CHECK(config.at("User") == image_user);
  CHECK(config.at("Entrypoint") == std::vector<std::string>{"/vitals"});
  CHECK(config.at("Cmd") == std::vector<std::string>{"serve"});
}

TEST_CASE("image: the binary runs in it and knows its revision") {
  if (!Machine::possible()) return;
  const Root root;
  const Finished version = run(root.command("", {"version"}));
  CHECK(version.code == 0);
  CHECK(version.output.starts_with("vitals "));
  CHECK(version.output.find("unknown") == std::string::npos);
}

TEST_CASE("image: the agent serves from it with loopback as the only network, as its user") {
  if (!Machine::possible()) return;
  const Root root;
  std::ofstream(root.path() / "etc/vitals.toml")
      << "[checks.self]\nkind = \"tcp\"\naddress = \"127.0.0.1:9100\"\ninterval = \"500ms\"\n"
         "[checks.out]\nkind = \"http\"\nurl = \"https://192.0.2.1/\"\ninterval = \"500ms\"\n"
         "retry_interval = \"500ms\"\ntimeout = \"400ms\"\n";
  Process agent(root.command(loopback, {"serve"}));
  CAPTURE(agent.output());
  // One host is unreachable and only degrades: the verdict is warn, with a reason for it.
  REQUIRE(eventually([&] {
    const std::string line = ask(agent, "/health?format=line");
    return line.starts_with("warn: ") && line.find("out unreachable") != std::string::npos &&
           line.ends_with("| pass: self\n\n200");
  }));
  CHECK(ask(agent, "/health/ready").ends_with("\n200"));
  CHECK(ask(agent, "/metrics").find("vitals_check_up{check=\"self\"") != std::string::npos);
  const std::string status = read_file("/proc/" + agent_pid(agent) + "/status");
  CHECK(status.find("\nUid:\t65532\t65532\t65532\t65532\n") != std::string::npos);
  CHECK(status.find("\nCapEff:\t0000000000000000\n") != std::string::npos);
  kill(std::stoi(agent_pid(agent)), SIGTERM);
  CHECK(agent.wait(std::chrono::seconds(30)) == 0);
}

TEST_CASE("image: even without loopback the agent starts, and says that nothing answers") {
  if (!Machine::possible()) return;
  const Root root;
  std::ofstream(root.path() / "etc/vitals.toml")
      << "[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:3000\"\n";
  const Finished checked = run(root.command("", {"check"}));
  CHECK(checked.code == 2);
  CHECK(checked.output.find("fail: app unreachable") != std::string::npos);
}

TEST_CASE("image: its CA bundle is what https checks trust") {
  if (!Machine::possible()) return;
  const Root root;
  Authority authority;
  const Certificate server = authority.valid();
  std::ofstream(root.path() / "etc/vitals.toml")
      << "[checks.api]\nkind = \"http\"\nurl = \"https://127.0.0.1:9443/\"\n";
  const std::string with_server = std::string(loopback) + " openssl s_server -quiet -www -accept " +
                                  "9443 -cert '" + server.certificate.string() + "' -key '" +
                                  server.key.string() + "' >/dev/null 2>&1 & until curl -sk " +
                                  "-o /dev/null https://127.0.0.1:9443/; do :; done;";
  const auto says = [&](const std::string& text) {
    const Finished checked = run(root.command(with_server, {"check"}));
    CAPTURE(checked.output);
    return checked.output.find(text) != std::string::npos;
  };
  CHECK(says("tls_verify"));
  const auto bundle = root.path() / "etc/ssl/certs/ca-certificates.crt";
  std::ofstream(bundle, std::ios::app) << read_file(authority.ca_file());
  CHECK(says("pass: api"));
  fs::remove(bundle);
  CHECK(says("internal"));
}

TEST_CASE("image: the archive that is pushed holds the same image") {
  if (!Machine::possible()) return;
  const Finished listed = run({{"tar", "-tf", (image() / "vitals.tar").string()}});
  CHECK(listed.code == 0);
  CHECK(listed.output.find("oci-layout") != std::string::npos);
  CHECK(listed.output.find("index.json") != std::string::npos);
}

}  // namespace
}  // namespace vitals::test
