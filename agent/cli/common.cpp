// What the commands share: where the config comes from, how mistakes are told, exit codes.
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <vitals/check.hpp>

#include "agent/cli/commands.hpp"

namespace vitals::cli {
namespace {

std::optional<std::string> from_environment(std::string_view name) {
  const char* const value = std::getenv(std::string(name).c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

std::vector<std::string> environment_names() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    names.emplace_back(line.substr(0, line.find('=')));
  }
  return names;
}

bool reader_is_gone(int fd) {
  pollfd out{fd, POLLOUT, 0};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

}  // namespace

int delivered(int code) {
  const bool failed = std::ferror(stdout) != 0;
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  const int error = errno;
  if ((!failed && flushed) || reader_is_gone(STDOUT_FILENO)) return code;
  // Of an earlier failure the cause is not known any more.
  const std::string cause = error == 0 ? "some of it was lost" : std::strerror(error);
  return complain("cannot write the output: " + cause, code == exit_ok ? exit_failure : code);
}

void forbid_cores() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
}

void raise_descriptor_limit() {
  // A check needs one to wait on and one for each address that it tries at once; the rest is more
  // than the clients and we ourselves use.
  constexpr rlim_t wanted = 8 * checks_max + 8'192;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(limit.rlim_max, wanted);
  setrlimit(RLIMIT_NOFILE, &limit);
}

ConfigSource config_source(const Arguments& arguments) {
  return {arguments.config, from_environment, environment_names};
}

int report_mistakes(const ConfigMistakes& mistakes) {
  for (const std::string& line : mistakes.lines) std::fprintf(stderr, "%s\n", line.c_str());
  const std::size_t count = mistakes.lines.size();
  std::fprintf(stderr, "vitals: %zu mistake%s in the config; nothing was started\n", count,
               count == 1 ? "" : "s");
  if (mistakes.way_out.empty()) return exit_usage;
  std::fprintf(stderr, "vitals: %s\n", std::string(mistakes.way_out).c_str());
  return exit_usage;
}

int complain(const std::string& message, int code) {
  std::fprintf(stderr, "vitals: %s\n", message.c_str());
  return code;
}

Identity identity_of(const Environment& environment) {
  const auto value = [&](std::string_view name) { return environment(name).value_or(""); };
  Identity identity;
  identity.release_id = value("FLY_IMAGE_REF");
  const std::string& app = identity.app = value("FLY_APP_NAME");
  const std::string& machine = identity.machine = value("FLY_MACHINE_ID");
  const std::string& region = identity.region = value("FLY_REGION");
  identity.service_id = app + (app.empty() || machine.empty() ? "" : "/") + machine;
  identity.description = app + (app.empty() || region.empty() ? "" : " in " + region);
  return identity;
}

int exit_code(Status verdict, bool fail_on_warn) {
  switch (verdict) {
    case Status::pass:
      return exit_ok;
    case Status::warn:
      return fail_on_warn ? exit_warn : exit_ok;
    case Status::fail:
    case Status::unknown:
      return exit_fail;
  }
  VITALS_ASSERT(false);
  return exit_fail;
}

bool drawing_wanted(int fd) {
  const char* const terminal = std::getenv("TERM");
  return isatty(fd) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

bool colour_wanted(int fd) {
  const char* const refused = std::getenv("NO_COLOR");
  return drawing_wanted(fd) && (refused == nullptr || *refused == '\0');
}

}  // namespace vitals::cli
