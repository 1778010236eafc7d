// Reads instructions with their continuation lines and here-documents, stage by stage.
#include "agent/lint/dockerfile.hpp"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <utility>

namespace vitals::lint {
namespace {

struct Instruction {
  int line = 0;
  std::string name;  // upper case
  std::string rest;
};

struct Stage {
  std::string name;
  Dockerfile says;
};

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::vector<std::string> split(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

/// The word that ends the here-document which begins in this line; empty without one.
std::string here_document(std::string_view line) {
  const auto at = line.find("<<");
  if (at == std::string_view::npos) return {};
  std::string word;
  for (const char c : line.substr(at + 2)) {
    if (c == '-' && word.empty()) continue;
    if (c == '"' || c == '\'') continue;
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') break;
    word += c;
  }
  return word;
}

std::vector<Instruction> instructions_of(std::string_view text) {
  std::vector<Instruction> all;
  std::istringstream lines{std::string(text)};
  std::string until;
  bool continues = false;
  int number = 0;
  for (std::string raw; std::getline(lines, raw);) {
    ++number;
    std::string_view line = trim(raw);
    if (!until.empty()) {
      if (line == until) until.clear();
      continue;
    }
    if (line.empty() || line.starts_with('#')) continue;  // comments may stand between lines, too
    const bool more = line.ends_with('\\');
    if (more) line.remove_suffix(1);
    if (continues) {
      all.back().rest += " " + std::string(trim(line));
    } else {
      const auto end = line.find_first_of(" \t");
      std::string name(line.substr(0, end));
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      const auto rest = end == std::string_view::npos ? std::string_view() : line.substr(end);
      all.push_back({number, std::move(name), std::string(trim(rest))});
    }
    continues = more;
    const auto& name = all.back().name;
    if (name == "RUN" || name == "COPY" || name == "ADD") until = here_document(line);
  }
  return all;
}

/// ["a", "b"] in its parts; nothing for the shell form.
std::optional<std::vector<std::string>> exec_form(std::string_view text) {
  if (!text.starts_with('[') || !text.ends_with(']')) return std::nullopt;
  std::vector<std::string> words;
  bool inside = false;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      if (!inside) words.emplace_back();
      inside = !inside;
    } else if (inside) {
      if (c == '\\' && i + 2 < text.size()) ++i;
      words.back() += text[i];
    }
  }
  if (inside) return std::nullopt;
  return words;
}

DockerCommand to_command(const Instruction& instruction) {
  if (auto words = exec_form(instruction.rest)) return {instruction.line, false, std::move(*words)};
  return {instruction.line, true, split(instruction.rest)};
}

Stage begin_stage(const Instruction& from, const std::vector<Stage>& earlier) {
  auto words = split(from.rest);
  std::erase_if(words, [](const std::string& word) { return word.starts_with("--"); });
  Stage stage;
  if (words.size() >= 3) stage.name = words[2];  // FROM image AS name
  for (const Stage& other : earlier) {
    if (!words.empty() && !other.name.empty() && other.name == words[0]) stage.says = other.says;
  }
  return stage;
}

}  // namespace

Dockerfile read_dockerfile(std::string_view text, std::string_view target) {
  std::vector<Stage> stages;
  for (const Instruction& instruction : instructions_of(text)) {
    if (instruction.name == "FROM") {
      stages.push_back(begin_stage(instruction, stages));
    } else if (stages.empty()) {
      continue;
    } else if (instruction.name == "ENTRYPOINT") {
      stages.back().says.entrypoint = to_command(instruction);
    } else if (instruction.name == "CMD") {
      stages.back().says.command = to_command(instruction);
    } else if (instruction.name == "USER") {
      stages.back().says.user =
          DockerUser{instruction.line, instruction.rest.substr(0, instruction.rest.find(':'))};
    }
  }
  if (stages.empty()) return {};
  for (const Stage& stage : stages) {
    if (!target.empty() && stage.name == target) return stage.says;
  }
  return stages.back().says;
}

bool starts_vitals(const std::vector<std::string>& words) {
  if (words.empty()) return false;
  return words[0] == "vitals" || words[0].ends_with("/vitals");
}

}  // namespace vitals::lint
