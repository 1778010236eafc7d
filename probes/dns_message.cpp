// Writes queries and reads answers byte by byte; trusts no length and no pointer.
//
// c-ares 1.18, the one we build, has no general reader of records (ares_dns_parse came with 1.22),
// and its queries hide which server said what; hence our own.
#include "probes/dns_message.hpp"

#include <vitals/text.hpp>

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <utility>

namespace vitals::dns {
namespace {

constexpr std::size_t header_bytes = 12;
constexpr std::size_t label_max = 63;
constexpr std::size_t name_bytes_max = 255;  // on the wire
constexpr std::uint16_t class_in = 1;

constexpr unsigned response_bit = 0x8000;
constexpr unsigned opcode_bits = 0x7800;
constexpr unsigned truncated_bit = 0x0200;
constexpr unsigned recursion_bit = 0x0100;
constexpr unsigned rcode_bits = 0x000f;
constexpr unsigned pointer_bits = 0xc0;

constexpr std::array<std::pair<std::string_view, Type>, 7> types{{
    {"A", Type::a},
    {"AAAA", Type::aaaa},
    {"CNAME", Type::cname},
    {"TXT", Type::txt},
    {"SRV", Type::srv},
    {"MX", Type::mx},
    {"NS", Type::ns},
}};

void append16(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8U & 0xffU);
  out += static_cast<char>(value & 0xffU);
}

/// A byte of a label as RFC 1035 §5.1 writes it.
void append_escaped(std::string& text, unsigned char byte) {
  if (byte == '.' || byte == '\\') {
    text += {'\\', static_cast<char>(byte)};
  } else if (byte > ' ' && byte < 0x7f) {
    text += to_lower(static_cast<char>(byte));
  } else {
    text += {'\\', static_cast<char>('0' + byte / 100), static_cast<char>('0' + byte / 10 % 10),
             static_cast<char>('0' + byte % 10)};
  }
}

/// A place in a message. Reading beyond the end makes it bad, and everything read from then on 0.
class Cursor {
 public:
  Cursor(std::string_view message, std::size_t at) : message_(message), at_(at) {}

  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] std::size_t at() const { return at_; }

  std::uint16_t number16() {
    const auto bytes = take(2);
    if (!good_) return 0;
    return static_cast<std::uint16_t>(byte(bytes[0]) << 8U | byte(bytes[1]));
  }

  std::string_view take(std::size_t count) {
    if (!good_ || count > message_.size() - at_) {
      good_ = false;
      return {};
    }
    at_ += count;
    return message_.substr(at_ - count, count);
  }

  /// A name, compressed or not (RFC 1035 §4.1.4), as text without the final dot. A pointer must
  /// lead back before the labels it stands behind, so no message makes this run in circles.
  std::string name() {
    std::string text;
    std::size_t wire_bytes = 1;
    std::size_t here = at_;
    std::size_t limit = at_;
    std::optional<std::size_t> behind;  // the first pointer
    while (good_) {
      if (here >= message_.size()) break;
      const unsigned length = byte(message_[here]);
      if (length == 0) {
        at_ = behind.value_or(here + 1);
        return text;
      }
      if ((length & pointer_bits) == pointer_bits) {
        if (here + 1 >= message_.size()) break;
        const std::size_t to = (length & ~pointer_bits) << 8U | byte(message_[here + 1]);
        if (!behind) behind = here + 2;
        if (to >= limit) break;
        here = limit = to;
        continue;
      }
      wire_bytes += length + 1;
      if (length > label_max || wire_bytes > name_bytes_max ||
          here + 1 + length > message_.size()) {
        break;
      }
      if (!text.empty()) text += '.';
      for (const char c : message_.substr(here + 1, length)) append_escaped(text, byte(c));
      here += 1 + length;
    }
    good_ = false;
    return {};
  }

 private:
  static unsigned char byte(char c) { return static_cast<unsigned char>(c); }

  std::string_view message_;
  std::size_t at_;
  bool good_ = true;
};

struct Record {
  std::string owner;
  std::uint16_t type = 0;
  std::string data;
};

std::string address_text(int family, std::string_view bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(family, bytes.data(), text.data(), text.size());
  return text.data();
}

/// The strings of a TXT record, joined; nothing when their lengths do not add up.
std::optional<std::string> joined_strings(std::string_view data) {
  std::string text;
  while (!data.empty()) {
    const std::size_t length = static_cast<unsigned char>(data.front());
    if (data.size() < 1 + length) return std::nullopt;
    text += data.substr(1, length);
    data.remove_prefix(1 + length);
  }
  return text;
}

/// The data of a record as text; `cursor` stands at its beginning, `length` bytes belong to it.
std::optional<std::string> data_text(Type type, Cursor cursor, std::size_t length) {
  const auto end = cursor.at() + length;
  std::string text;
  switch (type) {
    case Type::a:
    case Type::aaaa: {
      const bool v4 = type == Type::a;
      if (length != (v4 ? 4U : 16U)) return std::nullopt;
      return address_text(v4 ? AF_INET : AF_INET6, cursor.take(length));
    }
    case Type::txt:
      return length == 0 ? std::nullopt : joined_strings(cursor.take(length));
    case Type::srv:
      text = std::to_string(cursor.number16()) + " ";
      text += std::to_string(cursor.number16()) + " ";
      [[fallthrough]];
    case Type::mx:
      text += std::to_string(cursor.number16()) + " ";
      [[fallthrough]];
    case Type::cname:
    case Type::ns:
      text += cursor.name();
      break;
  }
  if (!cursor.good() || cursor.at() != end) return std::nullopt;
  return text;
}

bool is_wanted(std::uint16_t type, Type wanted) {
  return type == static_cast<std::uint16_t>(wanted) ||
         type == static_cast<std::uint16_t>(Type::cname);
}

/// The records of the answer section that matter; nothing when one can't be read.
std::optional<std::vector<Record>> read_records(std::string_view message, Cursor& cursor,
                                                unsigned count, Type wanted) {
  std::vector<Record> records;
  for (unsigned i = 0; i < count; ++i) {
    Record record;
    record.owner = cursor.name();
    record.type = cursor.number16();
    const auto of_class = cursor.number16();
    cursor.take(4);  // seconds to live
    const auto length = cursor.number16();
    const Cursor data(message, cursor.at());
    cursor.take(length);
    if (!cursor.good()) return std::nullopt;
    if (of_class != class_in || !is_wanted(record.type, wanted)) continue;
    auto text = data_text(static_cast<Type>(record.type), data, length);
    if (!text) return std::nullopt;
    record.data = std::move(*text);
    records.push_back(std::move(record));
  }
  return records;
}

/// Follows the aliases of the name asked for, then takes the records at their end.
void collect(const std::vector<Record>& records, std::string owner, Type type, Answer& answer) {
  const auto alias_of = [&](const std::string& name) -> const Record* {
    for (const auto& record : records) {
      const bool alias = record.type == static_cast<std::uint16_t>(Type::cname);
      if (alias && record.owner == name) return &record;
    }
    return nullptr;
  };
  for (int hops = 0; type != Type::cname; ++hops) {
    const auto* alias = alias_of(owner);
    if (alias == nullptr) break;
    if (hops == cname_chain_max) {
      answer.endless_alias = true;
      return;
    }
    owner = answer.alias = alias->data;
  }
  for (const auto& record : records) {
    const bool wanted = record.type == static_cast<std::uint16_t>(type);
    if (wanted && record.owner == owner) answer.records.push_back(record.data);
  }
}

}  // namespace

std::optional<Type> type_of(std::string_view word) {
  for (const auto& [text, type] : types) {
    if (text == word) return type;
  }
  return std::nullopt;
}

std::string_view to_text(Type type) {
  for (const auto& [text, each] : types) {
    if (each == type) return text;
  }
  VITALS_ASSERT(false);
  return {};
}

Result<std::string> encode_name(std::string_view name) {
  if (name.empty()) return Error{"an empty name"};
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string wire;
  while (!name.empty()) {
    const auto label = name.substr(0, name.find('.'));
    if (label.empty()) return Error{"two dots in a row"};
    if (label.size() > label_max) return Error{"a part between dots is longer than 63 letters"};
    const bool plain = std::all_of(label.begin(), label.end(),
                                   [](char c) { return c > ' ' && c < 0x7f && c != '\\'; });
    if (!plain) {
      return Error{
          "blanks, '\\' or letters beyond ASCII; write an international name in its xn-- "
          "form"};
    }
    wire += static_cast<char>(label.size());
    wire += label;
    const bool last = label.size() == name.size();
    name.remove_prefix(last ? label.size() : label.size() + 1);
    if (!last && name.empty()) return Error{"two dots in a row"};
  }
  wire += '\0';
  if (wire.size() > name_bytes_max) return Error{"longer than 253 letters"};
  return wire;
}

std::string encode_query(std::uint16_t id, const Question& question) {
  std::string message;
  append16(message, id);
  append16(message, recursion_bit);
  append16(message, 1);  // one question
  for (int section = 0; section < 3; ++section) append16(message, 0);
  message += encode_name(question.name).value();
  append16(message, static_cast<unsigned>(question.type));
  append16(message, class_in);
  return message;
}

std::string rcode_text(int rcode) {
  constexpr std::array<std::string_view, 6> names{"NOERROR",  "FORMERR", "SERVFAIL",
                                                  "NXDOMAIN", "NOTIMP",  "REFUSED"};
  const auto index = static_cast<std::size_t>(rcode);
  return index < names.size() ? std::string(names[index]) : "rcode " + std::to_string(rcode);
}

Result<Answer, NoAnswer> decode_answer(std::string_view message, std::uint16_t id,
                                       const Question& question) {
  Cursor cursor(message, 0);
  const auto its_id = cursor.number16();
  const unsigned flags = cursor.number16();
  const unsigned questions = cursor.number16();
  const unsigned answers = cursor.number16();
  cursor.take(4);  // how many records there are in the sections that nobody reads
  if (!cursor.good() || its_id != id || (flags & response_bit) == 0 || (flags & opcode_bits) != 0) {
    return NoAnswer::stranger;
  }
  Answer answer;
  answer.rcode = static_cast<int>(flags & rcode_bits);
  answer.truncated = (flags & truncated_bit) != 0;
  // A server that could not read the question can't repeat it.
  if (questions == 0 && answer.rcode != rcode_ok) return answer;
  if (questions != 1) return NoAnswer::malformed;

  const auto query = encode_query(id, question);
  const auto asked = Cursor(query, header_bytes).name();
  const auto repeated = cursor.name();
  const auto type = cursor.number16();
  const auto of_class = cursor.number16();
  if (!cursor.good()) return NoAnswer::malformed;
  if (repeated != asked || type != static_cast<std::uint16_t>(question.type) ||
      of_class != class_in) {
    return NoAnswer::stranger;
  }
  if (answer.truncated) return answer;
  const auto records = read_records(message, cursor, answers, question.type);
  if (!records) return NoAnswer::malformed;
  collect(*records, asked, question.type, answer);
  return answer;
}

}  // namespace vitals::dns
