// From the tables of groups to specs without probes.
#include "agent/config/group_reader.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "agent/config/print.hpp"
#include "agent/text/names.hpp"
#include "agent/verdict/group.hpp"

namespace vitals::config {
namespace {

constexpr std::array<SettingSpec, 6> group_specs{{
    {.name = "members",
     .type = SettingType::list,
     .doc = "names of checks; they no longer count alone",
     .required = true},
    {.name = "need",
     .type = SettingType::integer,
     .fallback = "1",
     .doc = "how many of them have to pass"},
    {.name = "impact",
     .type = SettingType::choice,
     .fallback = "degraded",
     .doc = "what a failure of the group does to the verdict",
     .choices = "critical|degraded|info"},
    {.name = "scope",
     .type = SettingType::choice,
     .fallback = "by members",
     .doc = "local when all members are local",
     .choices = "local|shared"},
    {.name = "startup",
     .type = SettingType::flag,
     .fallback = "if critical",
     .doc = "must pass once before /health/startup does"},
    {.name = "labels", .type = SettingType::table, .doc = "added to vitals_check_info alone"},
}};

/// An array, and of strings: neither a lone string nor numbers.
Result<std::vector<std::string>> to_names(const Value& value) {
  if (value.type != Value::Type::list) {
    return Error{"must be an array of strings, not " + std::string(describe(value.type))};
  }
  for (const Value& item : value.children) {
    if (item.type == Value::Type::text) continue;
    return Error{"must be an array of strings; one of its items is " +
                 std::string(describe(item.type))};
  }
  return to_list(value);
}

class GroupReader {
 public:
  GroupReader(const Value& groups, std::vector<ReadCheck>& checks, Mistakes& mistakes)
      : groups_(groups), checks_(checks), mistakes_(mistakes) {
    for (const auto& read : checks_) {
      if (is_check_name(read.check.spec->name)) names_.push_back(read.check.spec->name);
    }
  }

  std::vector<std::shared_ptr<const CheckSpec>> run() {
    std::vector<std::shared_ptr<const CheckSpec>> groups;
    for (const Value& value : groups_.children) {
      if (!is_check_name(value.key)) {
        mistakes_.add(value.place, "groups",
                      "bad name '" + value.key + "'; use 1 to 63 of a-z, 0-9, '_' and '-'");
      } else if (find(value.key) != nullptr) {
        mistakes_.add(value.place, "groups", "'" + value.key + "' is the name of a check already");
      }
      if (!value.is_table()) {
        mistakes_.add(
            value.place, "groups",
            "'" + value.key + "' must be a table, not " + std::string(describe(value.type)));
      } else {
        groups.push_back(read(value));
      }
    }
    for (const auto& group : groups) silence_members(*group);
    return groups;
  }

 private:
  /// Null for a bad name: whoever refers to it has to change, too.
  ReadCheck* find(std::string_view name) {
    if (!is_check_name(name)) return nullptr;
    const auto found = std::find_if(checks_.begin(), checks_.end(), [&](const ReadCheck& read) {
      return read.check.spec->name == name;
    });
    return found == checks_.end() ? nullptr : &*found;
  }

  std::shared_ptr<const CheckSpec> read(const Value& value) {
    auto spec = std::make_shared<CheckSpec>();
    spec->name = value.key;
    spec->kind = &group_kind();
    TableReader table(value, join_path("groups", value.key), mistakes_);
    std::vector<std::string_view> known;
    for (const auto& setting : group_specs) known.push_back(setting.name);
    table.refuse_unknown(known);
    read_members(*spec, table);
    read_need(*spec, table);
    const auto scope = read_scope(table);
    spec->impact = read_impact(table).value_or(Impact::degraded);
    spec->startup = table.flag("startup").value_or(spec->impact == Impact::critical &&
                                                   !may_stay_unknown(*spec));
    spec->labels = read_labels(table);
    follow_members(*spec);
    if (scope) spec->scope = *scope;
    spec->fingerprint = fingerprint_of(*spec);
    spec->settings_text = print_group_settings(*spec);
    return spec;
  }

  void read_members(CheckSpec& spec, TableReader& table) {
    if (!table.has("members")) table.refuse_missing("members");
    using Names = std::vector<std::string>;
    spec.members = table.read<Names>("members", to_names).value_or(Names{});
    if (table.wrong("members") || !table.has("members")) return;
    if (spec.members.empty()) table.refuse("members", "must name at least one check");
    std::set<std::string_view> seen;
    for (const Value& item : table.table().find("members")->children) {
      const std::string& name = item.text;
      const std::string shown = "'" + quotable(item) + "'";
      if (!seen.insert(name).second) {
        table.refuse("members", "names " + shown + " twice");
      } else if (groups_.find(name) != nullptr && find(name) == nullptr) {
        table.refuse("members", "names a group: " + shown + "; groups are made of checks");
      } else if (find(name) == nullptr) {
        table.refuse("members", "names no check: " + shown + suggest(item.written, names_));
      }
    }
  }

  static void read_need(CheckSpec& spec, TableReader& table) {
    const IntegerRange range{.min = 1, .max = static_cast<std::int64_t>(checks_max)};
    spec.need = static_cast<int>(table.integer("need", range).value_or(1));
    const Value* const members = table.table().find("members");
    if (members == nullptr || members->type != Value::Type::list) return;
    // Whoever they turn out to be, there are no more of them.
    const auto count = static_cast<int>(members->children.size());
    if (spec.need <= count || table.wrong("need") || count == 0) return;
    table.refuse("need",
                 "is " + std::to_string(spec.need) + ", and there " +
                     (count == 1 ? "is 1 member" : "are " + std::to_string(count) + " members"));
  }

  /// Nobody has to feed any of its members: startup would wait for nobody.
  bool may_stay_unknown(const CheckSpec& group) {
    return std::all_of(group.members.begin(), group.members.end(), [&](const std::string& name) {
      const ReadCheck* const member = find(name);
      return member != nullptr && member->may_stay_unknown;
    });
  }

  /// A group is local when all of it is, and as slow to notice as its slowest member.
  void follow_members(CheckSpec& spec) {
    const CheckSpec* slowest = nullptr;
    spec.scope = Scope::local;
    for (const std::string& name : spec.members) {
      const ReadCheck* member = find(name);
      if (member == nullptr) continue;
      const CheckSpec& own = *member->check.spec;
      if (own.scope == Scope::shared) spec.scope = Scope::shared;
      const bool slower =
          slowest == nullptr || own.worst_case_detection() > slowest->worst_case_detection();
      if (slower) slowest = &own;
    }
    if (slowest == nullptr) return;
    spec.interval = slowest->interval;
    spec.retry_interval = slowest->retry_interval;
    spec.timeout = slowest->timeout;
    spec.fall = slowest->fall;
    spec.rise = slowest->rise;
    spec.jitter = slowest->jitter;
    spec.silence_max = slowest->silence_max;
  }

  static std::string fingerprint_of(const CheckSpec& spec) {
    std::string text = "group " + spec.name + " " + std::to_string(spec.need) + " " +
                       std::string(to_label(spec.impact)) + " " +
                       std::string(to_label(spec.scope)) + (spec.startup ? " startup" : "") + "\n" +
                       std::to_string(spec.worst_case_detection().count()) + "\n";
    for (const auto& member : spec.members) text += member + "\n";
    for (const auto& [name, value] : spec.labels) text += name + "=" + value + "\n";
    return text;
  }

  void silence_members(const CheckSpec& group) {
    for (const std::string& name : group.members) {
      ReadCheck* const read = find(name);
      if (read == nullptr) continue;
      auto spec = std::make_shared<CheckSpec>(*read->check.spec);
      refuse_group_parent(*spec, *read->table);
      spec->impact = Impact::info;
      spec->startup = spec->startup && read->table->find("startup") != nullptr;
      spec->fingerprint += "member of " + group.name + "\n";
      if (!spec->settings_text.empty()) {
        spec->settings_text = print_settings(*spec, *read->check.secrets, *read->table);
      }
      read->check.spec = std::move(spec);
    }
  }

  /// Or it would be silenced by what it decides.
  void refuse_group_parent(const CheckSpec& member, const Value& table) {
    if (member.parent.empty() || groups_.find(member.parent) == nullptr) return;
    const Value* const written = table.find("parent");
    if (written == nullptr || find(member.parent) != nullptr) return;
    mistakes_.add(
        written->place, join_path("checks", member.name),
        "'parent' of a member of a group must be a check, and '" + member.parent + "' is a group");
  }

  const Value& groups_;
  std::vector<ReadCheck>& checks_;
  Mistakes& mistakes_;
  std::vector<std::string_view> names_;
};

}  // namespace

std::span<const SettingSpec> group_settings() { return group_specs; }

std::vector<std::shared_ptr<const CheckSpec>> read_groups(const Value& groups,
                                                          std::vector<ReadCheck>& checks,
                                                          Mistakes& mistakes) {
  return GroupReader(groups, checks, mistakes).run();
}

}  // namespace vitals::config
