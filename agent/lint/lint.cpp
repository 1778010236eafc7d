// Reads the files, lets every rule look, and puts what they found in order.
#include "agent/lint/lint.hpp"

#include <utility>

#include "agent/config/document.hpp"
#include "agent/config/mistakes.hpp"
#include "agent/lint/rules.hpp"

namespace vitals::lint {
namespace {

constexpr std::string_view syntax_rule = "syntax";

std::vector<Rule> all_rules() {
  std::vector<Rule> all;
  for (const auto rules : {key_rules(), routing_rules(), process_rules(), neighbour_rules()}) {
    all.insert(all.end(), rules.begin(), rules.end());
  }
  return all;
}

/// Nothing when it is no TOML, which is recorded.
std::optional<config::Value> parse(const SourceFile& file, config::Mistakes& mistakes) {
  auto parsed = config::parse_document(file.text);
  if (parsed) return std::move(parsed).value();
  mistakes.add(parsed.error().place, "", parsed.error().message);
  return std::nullopt;
}

std::string name_of(const std::optional<SourceFile>& file) { return file ? file->name : ""; }

std::vector<std::string> lines_of(const Findings& findings) {
  std::vector<std::string> all;
  for (const auto* mistakes : {&findings.fly, &findings.vitals, &findings.dockerfile}) {
    for (auto& line : mistakes->lines().lines) all.push_back(std::move(line));
  }
  return all;
}

/// An empty `only` is every rule.
std::vector<std::string> look(const Input& input, std::string_view only) {
  Findings findings{config::Mistakes(input.fly.name), config::Mistakes(name_of(input.vitals)),
                    config::Mistakes(name_of(input.dockerfile))};
  Findings syntax = findings;
  Files files;
  auto document = parse(input.fly, syntax.fly);
  if (document) files.fly = read_fly_file(std::move(*document));
  if (input.vitals) {
    auto vitals = parse(*input.vitals, syntax.vitals);
    if (vitals) files.vitals = read_vitals_file(std::move(*vitals), files.fly.environment());
  }
  if (input.dockerfile) {
    std::string target;
    for (const Value* build : tables_at(files.fly.document, "build")) {
      target = text_at(*build, "build-target").value_or("");
    }
    files.dockerfile = read_dockerfile(input.dockerfile->text, target);
  }
  if (only == syntax_rule) return lines_of(syntax);
  if (only.empty()) findings = std::move(syntax);
  if (!document) return lines_of(findings);
  for (const Rule& rule : all_rules()) {
    if (only.empty() || rule.name == only) rule.look(files, findings);
  }
  return lines_of(findings);
}

}  // namespace

std::optional<std::int64_t> agent_port(const Files& files) {
  if (!files.vitals) {
    constexpr std::int64_t default_port = 9100;
    return default_port;
  }
  if (!files.vitals->listen) return std::nullopt;
  return files.vitals->listen->port;
}

std::vector<std::string_view> rule_names() {
  std::vector<std::string_view> names{syntax_rule};
  for (const Rule& rule : all_rules()) names.push_back(rule.name);
  return names;
}

std::vector<std::string> lint(const Input& input) { return look(input, {}); }

std::vector<std::string> lint(const Input& input, std::string_view rule) {
  return look(input, rule);
}

std::optional<std::string> dockerfile_of(std::string_view fly_text) {
  const auto document = config::parse_document(fly_text);
  if (!document) return std::nullopt;
  for (const Value* build : tables_at(document.value(), "build")) {
    for (const auto* other : {"image", "builder", "builtin", "compose"}) {
      if (build->find(other) != nullptr) return std::nullopt;
    }
    auto named = text_at(*build, "dockerfile");
    if (named && named->find("://") != std::string::npos) return std::nullopt;
    if (named) return named;
  }
  return "Dockerfile";
}

}  // namespace vitals::lint
