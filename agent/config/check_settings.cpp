// Typed, complaining access to what the user wrote below [checks.<name>].
#include "agent/config/check_settings.hpp"

#include <algorithm>
#include <utility>

#include <vitals/assert.hpp>
#include <vitals/words.hpp>

#include "agent/config/redact.hpp"

namespace vitals::config {
namespace {

constexpr std::string_view credentials_form = "write \"user:password\"";
constexpr std::string_view text_or_file = "must be a string or { file = \"/path\" }";

bool allows(SettingType declared, std::initializer_list<SettingType> wanted) {
  return std::find(wanted.begin(), wanted.end(), declared) != wanted.end();
}

/// One line per value, nested values in braces: equal text, equal value.
std::string canonical_text(const Value& value) {
  switch (value.type) {
    case Value::Type::text:
      return std::to_string(value.text.size()) + ":" + value.text;
    case Value::Type::integer:
    case Value::Type::number:
    case Value::Type::flag:
      return to_scalar_text(value).value();
    case Value::Type::moment:
      return "moment";
    case Value::Type::list:
    case Value::Type::table: {
      std::string out = "{";
      for (const auto& child : value.children) {
        out += child.key + "=" + canonical_text(child) + ",";
      }
      return out + "}";
    }
  }
  VITALS_ASSERT(false);
  return {};
}

/// Of a setting that is no secret: what a variable held may be one all the same.
void add_foreign(const Value& value, SecretSet& hushed) {
  for (const auto& child : value.children) add_foreign(child, hushed);
  if (value.text != value.written) hushed.add(value.text);
  for (const auto& part : url_secrets(value.text)) hushed.add(part);
}

/// Whatever a message might quote of a secret: "user:password", a URL that is none.
void add_parts(const Value& value, bool secret, SecretSet& hushed) {
  for (const auto& child : value.children) add_parts(child, secret, hushed);
  for (const auto& part : url_secrets(value.text)) hushed.add(part);
  if (!secret) return;
  hushed.add(value.text);
  const auto colon = value.text.find(':');
  if (colon == std::string::npos) return;
  hushed.add(value.text.substr(colon + 1));
  // "sk_live_…:": a user without a password is one.
  if (colon + 1 == value.text.size()) hushed.add(value.text.substr(0, colon));
}

}  // namespace

bool allows_file(const SettingSpec& spec) {
  const bool textual = spec.type == SettingType::text || spec.type == SettingType::live_text;
  return spec.type == SettingType::live_text || (textual && (spec.secret || spec.url));
}

const SettingSpec& CheckSettings::spec_of(std::string_view name) const {
  const auto& specs = input_.kind.settings;
  const auto found = std::find_if(specs.begin(), specs.end(),
                                  [&](const SettingSpec& spec) { return spec.name == name; });
  VITALS_ASSERT(found != specs.end());
  return *found;
}

std::string CheckSettings::check_name() const {
  const auto& path = input_.table.path();  // "checks.db"
  return path.substr(path.rfind('.') + 1);
}

bool CheckSettings::has(std::string_view name) const {
  return input_.table.has(spec_of(name).name);
}

template <typename T>
std::optional<T> CheckSettings::read(const SettingSpec& spec,
                                     const std::function<Result<T>(const Value&)>& convert) {
  auto& table = input_.table;
  if (auto value = table.read<T>(spec.name, convert)) return value;
  const bool missing = spec.required && !table.has(spec.name) && !table.wrong(spec.name);
  if (missing) table.refuse_missing(spec.name);
  const auto fallback = declared_default(spec);
  if (!fallback) return std::nullopt;
  auto value = convert(*fallback);
  VITALS_ASSERT(value.ok());
  return std::move(value).value();
}

void CheckSettings::keep_secret(const SettingSpec& spec, std::string_view value) {
  if (is_secret(spec, value)) input_.secrets->add(value);
  if (!spec.url) return;
  for (const auto& password : url_passwords(value)) input_.secrets->add(password);
}

Result<std::string> CheckSettings::load_file(const SettingSpec& spec, const Value& written) {
  auto content = read_kept(written, input_.read_file);
  if (!content) return content;
  input_.secrets->add(content.value());
  loaded_files_.push_back(content.value());
  keep_secret(spec, content.value());
  return content;
}

Result<Text> CheckSettings::to_live_text(const SettingSpec& spec, const Value& written) {
  if (const auto path = file_path(written)) {
    const auto content = load_file(spec, written);
    if (!content) return content.error();
    return live_file(*path, input_.secrets, input_.read_file);
  }
  const auto text = to_scalar_text(written);
  if (!text || (!spec.scalars && written.type != Value::Type::text)) {
    return Error{std::string(text_or_file) + ", not " + std::string(describe(written.type))};
  }
  // "X-Env: production": whether such a word is a secret, the header's name tells, and its kind
  // knows those. One that came out of a variable is one in any case.
  const bool word = spec.type == SettingType::table && written.text == written.written &&
                    is_ordinary(text.value());
  if (!word) keep_secret(spec, text.value());
  return Text::fixed(text.value());
}

std::string CheckSettings::text(std::string_view name) {
  const SettingSpec& spec = spec_of(name);
  VITALS_ASSERT(
      allows(spec.type, {SettingType::text, SettingType::live_text, SettingType::choice}));
  if (spec.type == SettingType::choice) return choice(name);
  const auto value = read<std::string>(spec, [&](const Value& written) -> Result<std::string> {
    if (!allows_file(spec)) return to_text(written);
    if (written.type == Value::Type::text) return written.text;
    if (!file_path(written)) {
      return Error{std::string(text_or_file) + ", not " + std::string(describe(written.type))};
    }
    auto content = load_file(spec, written);
    if (content) read_once_[spec.name.data()] = content.value();
    return content;
  });
  if (value) keep_secret(spec, *value);
  return value.value_or("");
}

Text CheckSettings::live_text(std::string_view name) {
  const SettingSpec& spec = spec_of(name);
  VITALS_ASSERT(allows_file(spec));
  const auto text =
      read<Text>(spec, [&](const Value& written) { return to_live_text(spec, written); });
  return text.value_or(Text::fixed({}));
}

std::int64_t CheckSettings::integer(std::string_view name, IntegerRange range) {
  const SettingSpec& spec = spec_of(name);
  VITALS_ASSERT(spec.type == SettingType::integer);
  return read<std::int64_t>(spec, [&](const Value& value) { return to_integer(value, range); })
      .value_or(range.min);
}

double CheckSettings::number(std::string_view name, NumberRange range) {
  const SettingSpec& spec = spec_of(name);
  VITALS_ASSERT(allows(spec.type, {SettingType::number, SettingType::integer}));
  return read<double>(spec, [&](const Value& value) { return to_number(value, range); })
      .value_or(range.min);
}

bool CheckSettings::flag(std::string_view name) {
  const SettingSpec& spec = spec_of(name);
  VITALS_ASSERT(spec.type == SettingType::flag);
  return read<bool>(spec, to_flag).value_or(false);
}

Duration CheckSettings::duration(std::string_view name, DurationRange range) {
  const SettingSpec& spec = spec_of(name);
  VITALS_ASSERT(spec.type == SettingType::duration);
  return read<Duration>(spec, [&](const Value& value) { return to_duration(value, range); })
      .value_or(range.min);
}

std::int64_t CheckSettings::size(std::string_view name, IntegerRange range) {
  const SettingSpec& spec = spec_of(name);
  VITALS_ASSERT(spec.type == SettingType::size);
  return read<std::int64_t>(spec, [&](const Value& value) { return to_size(value, range); })
      .value_or(range.min);
}

std::string CheckSettings::choice(std::string_view name) {
  const SettingSpec& spec = spec_of(name);
  VITALS_ASSERT(spec.type == SettingType::choice && !spec.choices.empty());
  return read<std::string>(spec, [&](const Value& value) { return to_choice(value, spec.choices); })
      .value_or(std::string(split_choices(spec.choices).front()));
}

std::vector<std::string> CheckSettings::list(std::string_view name) {
  const SettingSpec& spec = spec_of(name);
  VITALS_ASSERT(spec.type == SettingType::list);
  auto items = read<std::vector<std::string>>(spec, to_list).value_or(std::vector<std::string>{});
  for (const auto& item : items) keep_secret(spec, item);
  return items;
}

std::vector<std::pair<std::string, Text>> CheckSettings::table(std::string_view name) {
  const SettingSpec& spec = spec_of(name);
  VITALS_ASSERT(spec.type == SettingType::table);
  using Entries = std::vector<std::pair<std::string, Text>>;
  const auto entries = read<Entries>(spec, [&](const Value& value) -> Result<Entries> {
    if (!value.is_table()) {
      return Error{"must be a table of strings, not " + std::string(describe(value.type))};
    }
    // Each value speaks for itself, at its own place.
    Entries result;
    TableReader inner = input_.table.nested(value);
    for (const auto& child : value.children) {
      auto text = inner.read<Text>(
          child.key, [&](const Value& written) { return to_live_text(spec, written); });
      if (text) result.emplace_back(child.key, *text);
    }
    return result;
  });
  return entries.value_or(Entries{});
}

void CheckSettings::complain(std::string_view name, std::string message) {
  const SettingSpec& spec = spec_of(name);
  if (input_.table.wrong(spec.name)) return;
  // A variable is named by the mistake's place; its setting would only confuse.
  const Value* value = input_.table.table().find(spec.name);
  const bool variable = value != nullptr && !value->place.variable.empty();
  const std::string prefix = variable ? "" : "'" + std::string(name) + "': ";
  input_.table.complain(spec.name, prefix + hush(message));
}

void CheckSettings::remark(std::string message) {
  input_.remarks.push_back(hush(input_.table.path() + ": " + message));
}

std::function<void(std::string_view value)> CheckSettings::secret_sink() {
  return [secrets = input_.secrets](std::string_view value) { secrets->add(value); };
}

Scrub CheckSettings::secret_scrubber() {
  return [secrets = input_.secrets](std::string_view text, SecretSet::Ending ending) {
    return secrets->scrub(text, ending);
  };
}

std::string CheckSettings::hush(std::string_view message) const {
  SecretSet hushed;
  for (const auto& spec : input_.kind.settings) {
    const Value* value = input_.table.table().find(spec.name);
    if (value == nullptr) continue;
    if (!spec.secret && !spec.url) {
      add_foreign(*value, hushed);
      continue;
    }
    // A scheme alone holds nothing yet; a token that ends like one does.
    const bool is_scheme = spec.url && value->text.ends_with("://");
    add_parts(*value, spec.secret && !is_scheme, hushed);
  }
  for (const auto& content : loaded_files_) add_parts(text_value({}, content, {}), true, hushed);
  const auto scrub = [&](std::string_view text) {
    return input_.secrets->scrub(hushed.scrub(text));
  };
  // Our own words, that never quote anything: "***:password" would tell what the user is called.
  const auto form = message.find(credentials_form);
  if (form == std::string_view::npos) return scrub(message);
  return scrub(message.substr(0, form)) + std::string(credentials_form) +
         scrub(message.substr(form + credentials_form.size()));
}

void CheckSettings::finish() {
  for (const auto& spec : input_.kind.settings) {
    const bool told = input_.table.has(spec.name) || input_.table.wrong(spec.name);
    if (spec.required && !told) input_.table.refuse_missing(spec.name);
  }
}

std::string CheckSettings::canonical() const {
  std::string out;
  for (const auto& spec : input_.kind.settings) {
    const Value* written = input_.table.table().find(spec.name);
    const auto fallback = written == nullptr ? declared_default(spec) : std::nullopt;
    if (written == nullptr && !fallback) continue;
    out += std::string(spec.name) + "=" + canonical_text(written != nullptr ? *written : *fallback);
    const auto content = read_once_.find(spec.name);
    if (content != read_once_.end()) out += "<" + content->second;
    out += "\n";
  }
  return out;
}

}  // namespace vitals::config
