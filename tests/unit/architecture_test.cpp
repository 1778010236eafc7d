// Holds the rules of the house by reading the sources: who may include what, and what every kind
// needs. agent/DESIGN.md says why.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "probes/registry.hpp"
#include "tests/support/golden.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;

/// A file of ours: path relative to the root, and what it says.
struct Source {
  std::string path;
  std::string text;
};

struct Include {
  std::string header;
  bool angled = false;
};

/// By what its headers begin with.
constexpr std::array<std::pair<std::string_view, std::string_view>, 13> libraries{{
    {"ares", "c-ares"},
    {"curl/", "libcurl"},
    {"doctest/", "doctest"},
    {"fmt/", "fmt"},
    {"hiredis", "hiredis"},
    {"httplib.h", "cpp-httplib"},
    {"libpq", "libpq"},
    {"nlohmann/", "nlohmann-json"},
    {"openssl/", "OpenSSL"},
    {"pcre2", "PCRE2"},
    {"prometheus/", "prometheus-cpp"},
    {"spdlog/", "spdlog"},
    {"toml++/", "toml++"},
}};

/// Folders of the system's own headers, and ours.
constexpr std::array<std::string_view, 6> system_folders{"sys/", "netinet/", "arpa/",
                                                         "net/", "linux/",   "vitals/"};

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

fs::path root() { return test::source_dir(); }

/// All .hpp and .cpp files below a folder, in order.
std::vector<Source> sources_in(std::string_view folder) {
  std::vector<Source> found;
  for (const auto& entry : fs::recursive_directory_iterator(root() / folder)) {
    const auto extension = entry.path().extension();
    if (extension != ".hpp" && extension != ".cpp") continue;
    found.push_back({fs::relative(entry.path(), root()).string(), read(entry.path())});
  }
  std::sort(found.begin(), found.end(),
            [](const Source& a, const Source& b) { return a.path < b.path; });
  return found;
}

std::vector<Source> our_sources() {
  std::vector<Source> all;
  for (const char* folder : {"include", "probes", "agent"}) {
    auto some = sources_in(folder);
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  return all;
}

std::vector<Include> includes_of(const Source& source) {
  constexpr std::string_view directive = "#include ";
  std::vector<Include> includes;
  std::istringstream lines(source.text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(directive)) continue;
    const char open = line[directive.size()];
    const auto end = line.find(open == '<' ? '>' : '"', directive.size() + 1);
    if (end == std::string::npos) continue;
    const auto begin = directive.size() + 1;
    includes.push_back({line.substr(begin, end - begin), open == '<'});
  }
  return includes;
}

bool is_header(const Source& source) { return source.path.ends_with(".hpp"); }

/// The library that a header belongs to; "" for ours and the system's, "?" for an unknown one.
std::string_view library_of(const Include& include) {
  if (!include.angled) return {};
  for (const auto& [prefix, library] : libraries) {
    if (include.header.starts_with(prefix)) return library;
  }
  const bool in_folder = include.header.find('/') != std::string::npos;
  const bool known =
      std::any_of(system_folders.begin(), system_folders.end(),
                  [&](std::string_view folder) { return include.header.starts_with(folder); });
  return in_folder && !known ? "?" : "";
}

using Uses = std::set<std::pair<std::string, std::string>>;  // library, file

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream stream(row);
  for (std::string cell; std::getline(stream, cell, '|');) {
    const auto begin = cell.find_first_not_of(' ');
    const auto end = cell.find_last_not_of(' ');
    cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
  }
  return cells;
}

/// What stands between two `…`.
std::vector<std::string> quoted_in(const std::string& text) {
  std::vector<std::string> found;
  std::size_t at = 0;
  while ((at = text.find('`', at)) != std::string::npos) {
    const auto end = text.find('`', at + 1);
    if (end == std::string::npos) break;
    found.push_back(text.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return found;
}

/// Rows `| library | `file`, `file` |` below "## Libraries".
Uses table_of(const std::string& design) {
  Uses uses;
  const auto begin = design.find("\n## Libraries");
  if (begin == std::string::npos) return uses;
  std::istringstream lines(design.substr(begin, design.find("\n## ", begin + 1) - begin));
  for (std::string line; std::getline(lines, line);) {
    const auto cells = cells_of(line);
    if (!line.starts_with('|') || cells.size() < 3) continue;
    for (const auto& file : quoted_in(cells[2])) uses.emplace(cells[1], file);
  }
  return uses;
}

Uses uses_in(const std::vector<Source>& sources) {
  Uses uses;
  for (const auto& source : sources) {
    for (const auto& include : includes_of(source)) {
      const auto library = library_of(include);
      if (!library.empty()) uses.emplace(library, source.path);
    }
  }
  return uses;
}

std::vector<std::string> kinds() {
  constexpr std::string_view macro = "KIND(";
  std::vector<std::string> names;
  std::istringstream lines(read(root() / "probes/kinds.hpp"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(macro)) continue;
    names.push_back(line.substr(macro.size(), line.find(')') - macro.size()));
  }
  return names;
}

/// The kind whose file this is ("probes/http_rules.cpp": http); "" for what all share.
std::string kind_of(std::string_view path, const std::vector<std::string>& all) {
  for (const auto& kind : all) {
    if (path.starts_with("probes/" + kind + "_")) return kind;
  }
  return {};
}

/// The head of the README's table of kinds: reasons such as `dns` have rows of their own elsewhere.
constexpr std::string_view kinds_heading = "\n| kind | asks | settings |\n";

/// The rows of the table that `heading` begins, each after a newline.
std::string rows_below(const std::string& text, std::string_view heading) {
  const auto at = text.find(heading);
  if (at == std::string::npos) return {};
  const auto first = at + heading.size() - 1;
  return text.substr(first, text.find("\n\n", first) - first);
}

/// What breaks the direction probes → include, agent → registry, no probe → another probe.
std::vector<std::string> wrong_ways(const std::vector<Source>& sources,
                                    const std::vector<std::string>& all_kinds) {
  std::vector<std::string> found;
  for (const auto& source : sources) {
    const bool probe = source.path.starts_with("probes/");
    const bool agent = source.path.starts_with("agent/");
    const auto own_kind = kind_of(source.path, all_kinds);
    for (const auto& include : includes_of(source)) {
      const auto& header = include.header;
      const auto its_kind = kind_of(header, all_kinds);
      const bool wrong =
          (probe && header.starts_with("agent/")) ||
          (probe && !its_kind.empty() && its_kind != own_kind) ||
          (agent && header.starts_with("probes/") && header != "probes/registry.hpp" &&
           header != "probes/process_facts.hpp" && header != "probes/app_connections.hpp") ||
          (!probe && !agent && !include.angled);
      if (wrong) found.push_back(source.path + " includes " + header);
    }
  }
  return found;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += "\n  " + line;
  return text;
}

std::vector<std::string> difference(const Uses& left, const Uses& right) {
  std::vector<std::string> only_left;
  for (const auto& [library, file] : left) {
    if (!right.contains({library, file})) only_left.push_back(library + ": " + file);
  }
  return only_left;
}

}  // namespace

TEST_SUITE("architecture") {
  TEST_CASE("architecture: dependencies point one way") {
    const auto wrong = wrong_ways(our_sources(), kinds());
    INFO(
        "probes may include include/ and shared files of probes/, the agent the registry and "
        "process_facts alone:",
        joined(wrong));
    CHECK(wrong.empty());
  }

  TEST_CASE("architecture: no header names a library") {
    std::vector<std::string> named;
    for (const auto& source : our_sources()) {
      if (!is_header(source)) continue;
      for (const auto& [library, file] : uses_in({source})) named.push_back(file + ": " + library);
    }
    INFO("move it into a .cpp behind a struct Impl:", joined(named));
    CHECK(named.empty());
  }

  TEST_CASE("architecture: a library is named where agent/DESIGN.md says, and nowhere else") {
    const auto allowed = table_of(read(root() / "agent/DESIGN.md"));
    const auto used = uses_in(our_sources());
    const auto unlisted = difference(used, allowed);
    const auto stale = difference(allowed, used);
    INFO("not in the table '## Libraries' (| library | `file`, `file` |):", joined(unlisted));
    CHECK(unlisted.empty());
    INFO("in the table, but the file does not include it:", joined(stale));
    CHECK(stale.empty());
    CHECK(!used.empty());
  }

  TEST_CASE("architecture: every kind has its file, its test, its README row and its declaration") {
    const auto table = rows_below(read(root() / "README.md"), kinds_heading);
    REQUIRE(!kinds().empty());
    CHECK(kinds().size() == all_kinds().size());
    for (const auto& kind : kinds()) {
      CAPTURE(kind);
      CHECK_MESSAGE(fs::exists(root() / "probes" / (kind + "_probe.cpp")),
                    "missing: probes/" << kind << "_probe.cpp");
      CHECK_MESSAGE(fs::exists(root() / "tests/integration" / (kind + "_probe_test.cpp")),
                    "missing: tests/integration/" << kind << "_probe_test.cpp");
      CHECK_MESSAGE(table.find("\n| `" + kind + "` |") != std::string::npos,
                    "missing: a row | `" << kind << "` | in the README's table of kinds");
      const bool listed = std::any_of(all_kinds().begin(), all_kinds().end(),
                                      [&](const KindSpec* spec) { return spec->name == kind; });
      CHECK_MESSAGE(listed, kind << "_kind() has another name");
    }
  }

  TEST_CASE("architecture: every kind declares settings that can be explained") {
    for (const KindSpec* kind : all_kinds()) {
      CAPTURE(kind->name);
      CHECK(!kind->doc.empty());
      CHECK(kind->make != nullptr);
      std::set<std::string_view> names;
      for (const auto& setting : kind->settings) {
        CAPTURE(setting.name);
        CHECK(names.insert(setting.name).second);
        CHECK(!setting.doc.empty());
        CHECK((setting.type == SettingType::choice) == !setting.choices.empty());
      }
      if (!kind->schemes.empty()) CHECK(names.contains(kind->url_setting));
      for (const auto& metric : kind->metrics) CHECK(!metric.help.empty());
    }
  }

  TEST_CASE("architecture: every file begins with what it is for") {
    auto all = our_sources();
    auto tests = sources_in("tests");
    std::move(tests.begin(), tests.end(), std::back_inserter(all));
    std::vector<std::string> silent;
    for (const auto& source : all) {
      if (!source.text.starts_with("// ")) silent.push_back(source.path);
    }
    INFO("begin with // and one sentence:", joined(silent));
    CHECK(silent.empty());
  }

  TEST_CASE("architecture: no test sleeps, but in the one loop of eventually() and stays()") {
    std::vector<std::string> sleepers;
    for (const auto& source : sources_in("tests")) {
      if (source.path == "tests/support/process.hpp" || source.path.starts_with("tests/bench/") ||
          source.path == "tests/unit/architecture_test.cpp") {
        continue;
      }
      for (const char* way :
           {"sleep_for", "sleep_until", "usleep(", "nanosleep(", "eventually([] { return false"}) {
        if (source.text.find(way) != std::string::npos) sleepers.push_back(source.path);
      }
    }
    INFO("wait for what should come, watch what should last:", joined(sleepers));
    CHECK(sleepers.empty());
  }

  TEST_CASE("architecture: the rules above catch what they are for") {
    const std::vector<std::string> known{"http", "tcp"};
    const auto breaks = [&](const std::string& path, const std::string& line) {
      return !wrong_ways({{path, "// x\n" + line + "\n"}}, known).empty();
    };
    CHECK(breaks("probes/tcp_probe.cpp", "#include \"agent/log.hpp\""));
    CHECK(breaks("probes/net.cpp", "#include \"agent/log.hpp\""));
    CHECK(breaks("probes/tcp_probe.cpp", "#include \"probes/http_rules.hpp\""));
    CHECK(breaks("probes/net.cpp", "#include \"probes/http_rules.hpp\""));
    CHECK(breaks("agent/main.cpp", "#include \"probes/net.hpp\""));
    CHECK(breaks("include/vitals/x.hpp", "#include \"probes/net.hpp\""));
    CHECK(!breaks("probes/http_probe.cpp", "#include \"probes/http_rules.hpp\""));
    CHECK(!breaks("probes/http_probe.cpp", "#include \"probes/net.hpp\""));
    CHECK(!breaks("agent/main.cpp", "#include \"probes/registry.hpp\""));
    CHECK(!breaks("agent/main.cpp", "#include \"probes/process_facts.hpp\""));

    const std::string tables = "x\n| a | b |\n|---|---|\n| `tcp` | 1 |\n\n| c |\n| `dns` |\n";
    CHECK(rows_below(tables, "\n| a | b |\n") == "\n|---|---|\n| `tcp` | 1 |");
    CHECK(rows_below(tables, "\n| no |\n") == "");

    const auto uses = uses_in({{"a.cpp",
                                "#include <curl/curl.h>\n#include <boost/asio.hpp>\n"
                                "#include <sys/un.h>\n#include <vector>\n"}});
    CHECK(uses == Uses{{"libcurl", "a.cpp"}, {"?", "a.cpp"}});
    const auto table = table_of(
        "x\n## Libraries\n\n| library | files |\n|---|---|\n"
        "| libcurl | `a.cpp`, `b.cpp` |\n| c-ares | `c.cpp` |\n"
        "\n## More\n| no | `d.cpp` |\n");
    CHECK(table == Uses{{"libcurl", "a.cpp"}, {"libcurl", "b.cpp"}, {"c-ares", "c.cpp"}});
    CHECK(difference(uses, table) == std::vector<std::string>{"?: a.cpp"});
  }
}

}  // namespace vitals
