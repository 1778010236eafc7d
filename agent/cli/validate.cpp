// `vitals validate`: all mistakes of a config at once, or what it says in effect.
#include <cstdio>

#include "agent/cli/commands.hpp"
#include "agent/config/quantity.hpp"

namespace vitals::cli {

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
