// `vitals validate`: all mistakes of a config at once, or what it says in effect.
#include <cstdio>

#include "agent/child/account.hpp"
#include "agent/cli/commands.hpp"
#include "agent/config/quantity.hpp"

namespace vitals::cli {
namespace {

/// No mistake: what is validated on one machine (a laptop, a builder) often runs on another.
void remark_on_user(const AppUser& user) {
  if (user.name.empty()) return;
  const auto account = child::find_account(user.name, child::read_account_files());
  if (account) return;
  std::fprintf(stderr, "%s: on this machine %s; vitals run would start nothing here\n",
               user.place.c_str(), account.error().message.c_str());
}

}  // namespace

int validate(const Arguments& arguments) {
  const ConfigSource source = config_source(arguments);
  if (arguments.print) {
    const auto text = print_config(source);
    if (!text) return report_mistakes(text.error());
    std::fputs(text.value().c_str(), stdout);
    return exit_ok;
  }
  const auto config = load_config(source);
  if (!config) return report_mistakes(config.error());
  remark_on_user(config.value().app.user);
  const std::size_t count = config.value().checks.size();
  std::printf("%s: ok, %zu check%s\n", config.value().source.c_str(), count, count == 1 ? "" : "s");
  for (const ConfiguredCheck& check : config.value().checks) {
    const CheckSpec& spec = *check.spec;
    std::printf("  %s: %s, %s, %s, every %s, worst-case detection %.1fs\n", spec.name.c_str(),
                std::string(spec.kind->name).c_str(), std::string(to_label(spec.impact)).c_str(),
                std::string(to_label(spec.scope)).c_str(),
                config::format_duration(spec.interval).c_str(),
                std::chrono::duration<double>(spec.worst_case_detection()).count());
  }
  for (const auto& group : config.value().groups) {
    std::printf("  %s: group, %s, %s, %d of", group->name.c_str(),
                std::string(to_label(group->impact)).c_str(),
                std::string(to_label(group->scope)).c_str(), group->need);
    for (const std::string& member : group->members) std::printf(" %s", member.c_str());
    std::printf("\n");
  }
  for (const std::string& remark : config.value().remarks) {
    std::fprintf(stderr, "%s\n", remark.c_str());
  }
  return exit_ok;
}

}  // namespace vitals::cli
