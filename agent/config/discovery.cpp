// Makes checks of the variables that platforms and libraries set.
#include "agent/config/discovery.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <vitals/assert.hpp>
#include <vitals/text.hpp>

#include "agent/config/check_reader.hpp"
#include "agent/config/values.hpp"
#include "agent/text/names.hpp"

namespace vitals::config {
namespace {

constexpr std::string_view check_prefix = "VITALS_CHECK_";

Place at(std::string_view variable) { return {0, 0, std::string(variable)}; }

bool is_port(std::string_view text) {
  unsigned number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() && number >= 1 &&
         number <= 65'535;
}

class Discovery {
 public:
  Discovery(const Environment& environment, std::span<const KindSpec* const> kinds,
            Mistakes& mistakes)
      : environment_(environment), kinds_(kinds), mistakes_(mistakes) {}

  Discovered run(const EnvironmentNames& names) {
    discover_app();
    discover_postgres();
    discover_redis();
    auto all = names ? names() : std::vector<std::string>{};
    std::sort(all.begin(), all.end());
    for (const auto& name : all) {
      if (name.starts_with(check_prefix)) discover_named(name);
    }
    return std::move(found_);
  }

 private:
  std::optional<std::string> get(std::string_view name) const {
    auto value = environment_(name);
    if (value && value->empty()) return std::nullopt;
    return value;
  }

  void add(std::string name, std::string_view kind, std::string_view setting,
           std::string_view variable, std::string url) {
    if (const Value* other = found_.checks.find(name)) {
      mistakes_.add(at(variable), {},
                    "there is a check '" + name + "' already, from " + other->place.variable +
                        "; leave one of the two out");
      return;
    }
    Value check;
    check.key = std::move(name);
    check.place = at(variable);
    check.children.push_back(text_value("kind", std::string(kind), at(variable)));
    check.children.push_back(text_value(std::string(setting), std::move(url), at(variable)));
    found_.checks.children.push_back(std::move(check));
  }

  void discover_app() {
    const auto port = get("PORT");
    const auto path = get("VITALS_APP_PATH");
    if (!port) {
      if (path) found_.remarks.emplace_back("VITALS_APP_PATH is ignored: PORT is not set");
      return;
    }
    if (!is_port(*port)) {
      mistakes_.add(at("PORT"), {}, "must be a port between 1 and 65535");
      return;
    }
    if (path && !path->starts_with('/')) {
      mistakes_.add(at("VITALS_APP_PATH"), {}, "must begin with '/', such as /healthz");
      return;
    }
    if (path) {
      add("app", "http", "url", "VITALS_APP_PATH", "http://localhost:" + *port + *path);
    } else {
      add("app", "tcp", "address", "PORT", "localhost:" + *port);
    }
  }

  void discover_postgres() {
    for (const std::string_view variable : {"DATABASE_URL", "POSTGRES_URL"}) {
      const auto url = get(variable);
      if (!url) continue;
      add("postgres", "postgres", "url", variable, *url);
      return;
    }
  }

  void discover_redis() {
    const auto rest = get("UPSTASH_REDIS_REST_URL");
    for (const std::string_view variable : {"REDIS_URL", "VALKEY_URL"}) {
      const auto url = get(variable);
      if (!url) continue;
      if (rest) {
        found_.remarks.push_back("UPSTASH_REDIS_REST_URL is ignored: it is the REST endpoint; " +
                                 std::string(variable) + " is asked");
      }
      if (is_rest_endpoint(*url)) {
        mistakes_.add(at(variable), {}, rest_endpoint_sentence);
      } else {
        add("redis", "redis", "url", variable, *url);
      }
      return;
    }
    // No mistake: an app may well use the REST endpoint alone, and must start.
    if (rest) {
      found_.remarks.push_back("UPSTASH_REDIS_REST_URL is ignored: " +
                               std::string(rest_endpoint_sentence) + "; set that one for a check");
    }
  }

  const KindSpec* kind_of(std::string_view scheme) const {
    for (const KindSpec* kind : kinds_) {
      if (std::find(kind->schemes.begin(), kind->schemes.end(), scheme) != kind->schemes.end()) {
        return kind;
      }
    }
    return nullptr;
  }

  void discover_named(const std::string& variable) {
    const auto url = get(variable);
    if (!url) return;
    std::string name = to_lower(std::string_view(variable).substr(check_prefix.size()));
    std::replace(name.begin(), name.end(), '_', '-');
    if (!is_check_name(name)) {
      mistakes_.add(at(variable), {},
                    "the part after " + std::string(check_prefix) +
                        " names the check: 1 to 63 letters, digits and '_'");
      return;
    }
    const auto colon = url->find(':');
    const std::string scheme = to_lower(std::string_view(*url).substr(0, colon));
    const KindSpec* kind = colon == std::string::npos ? nullptr : kind_of(scheme);
    if (kind == nullptr) {
      mistakes_.add(at(variable), {}, "must be a URL that begins with " + all_schemes());
      return;
    }
    add(std::move(name), kind->name, kind->url_setting, variable, *url);
  }

  std::string all_schemes() const {
    std::string all;
    for (const KindSpec* kind : kinds_) {
      for (const auto scheme : kind->schemes) {
        all += (all.empty() ? "" : ", ") + std::string(scheme) + ":";
      }
    }
    return all;
  }

  const Environment& environment_;
  std::span<const KindSpec* const> kinds_;
  Mistakes& mistakes_;
  Discovered found_;
};

}  // namespace

Discovered discover_checks(const Environment& environment, const EnvironmentNames& names,
                           std::span<const KindSpec* const> kinds, Mistakes& mistakes) {
  return Discovery(environment, kinds, mistakes).run(names);
}

bool is_rest_endpoint(std::string_view url) {
  const std::string scheme = to_lower(url.substr(0, url.find(':')));
  return scheme == "http" || scheme == "https";
}

}  // namespace vitals::config
