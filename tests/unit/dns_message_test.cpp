// DNS messages: the query on the wire, and what is made of answers, whole, broken and hostile.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "probes/dns_message.hpp"

namespace vitals {
namespace {

using dns::Answer;
using dns::NoAnswer;
using dns::Question;
using dns::Type;

constexpr std::uint16_t id = 0x1234;

std::string bytes_of(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

std::string two(unsigned value) {
  return bytes_of({static_cast<int>(value >> 8U), static_cast<int>(value & 0xffU)});
}

std::string wire(const std::string& name) { return dns::encode_name(name).value(); }

/// An answer to `question` with records that are there as bytes.
std::string answer_to(const Question& question, unsigned records, const std::string& bytes,
                      unsigned flags = 0x8180) {
  return two(id) + two(flags) + two(1) + two(records) + two(0) + two(0) + wire(question.name) +
         two(static_cast<unsigned>(question.type)) + two(1) + bytes;
}

std::string record(const std::string& owner, unsigned type, const std::string& data,
                   unsigned of_class = 1) {
  return owner + two(type) + two(of_class) + two(0) + two(60) +
         two(static_cast<unsigned>(data.size())) + data;
}

const std::string here = bytes_of({0xc0, 12});  // a pointer to the name asked for

Result<Answer, NoAnswer> decode(const Question& question, unsigned records,
                                const std::string& bytes, unsigned flags = 0x8180) {
  return dns::decode_answer(answer_to(question, records, bytes, flags), id, question);
}

std::string shown(const Question& question, unsigned records, const std::string& bytes) {
  const auto answer = decode(question, records, bytes);
  if (!answer) return answer.error() == NoAnswer::malformed ? "malformed" : "stranger";
  if (answer.value().endless_alias) return "endless";
  std::string text = answer.value().alias.empty() ? "" : answer.value().alias + ":";
  for (const auto& each : answer.value().records) text += "[" + each + "]";
  return text;
}

}  // namespace

TEST_SUITE("dns messages") {
  TEST_CASE("dns messages: a query is header, name, type and class, and asks for recursion") {
    CHECK(dns::encode_query(id, {"www.Example.com.", Type::aaaa}) ==
          bytes_of({0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}) + "\3www\7Example\3com" +
              bytes_of({0, 0, 28, 0, 1}));
    CHECK(dns::encode_query(id, {".", Type::ns}).substr(12) == bytes_of({0, 0, 2, 0, 1}));
  }

  TEST_CASE("dns messages: names that are none are refused, with the reason") {
    for (const char* name : {"", "a..b", ".a", "a..", "a b", "m\xc3\xbcller.de", "a\\b"}) {
      CAPTURE(name);
      CHECK(!dns::encode_name(name));
    }
    CHECK(dns::encode_name(std::string(63, 'a') + ".b").ok());
    CHECK(!dns::encode_name(std::string(64, 'a') + ".b"));
    std::string longest;
    for (int i = 0; i < 126; ++i) longest += "a.";
    CHECK(dns::encode_name(longest + "b").ok());  // 253 letters
    CHECK(!dns::encode_name(longest + "bc"));
    CHECK(dns::encode_name("_sip._tcp.example.com").ok());
  }

  TEST_CASE("dns messages: every type has its text") {
    const auto name = wire("Mail.Example.com");
    struct Row {
      Type type;
      std::string data;
      const char* text;
    };
    const std::vector<Row> rows{
        {Type::a, bytes_of({10, 0, 0, 1}), "[10.0.0.1]"},
        {Type::aaaa, bytes_of({0xfd, 0xaa, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3}), "[fdaa::3]"},
        {Type::cname, name, "[mail.example.com]"},
        {Type::ns, name, "[mail.example.com]"},
        {Type::mx, two(10) + name, "[10 mail.example.com]"},
        {Type::srv, two(1) + two(2) + two(5060) + name, "[1 2 5060 mail.example.com]"},
        {Type::txt, "\6v=spf1\4 -al" + bytes_of({1}) + "l", "[v=spf1 -all]"},
        {Type::txt, bytes_of({0}), "[]"},
    };
    for (const auto& row : rows) {
      const Question question{"example.com", row.type};
      CAPTURE(row.text);
      CHECK(shown(question, 1, record(here, static_cast<unsigned>(row.type), row.data)) ==
            row.text);
      CHECK(dns::type_of(dns::to_text(row.type)) == row.type);
    }
    CHECK(!dns::type_of("PTR"));
  }

  TEST_CASE("dns messages: records of other names, types and classes do not count") {
    const Question question{"a.example", Type::a};
    CHECK(shown(question, 3,
                record(wire("b.example"), 1, bytes_of({10, 0, 0, 1})) +
                    record(here, 28, std::string(16, 'x')) +
                    record(here, 1, bytes_of({10, 0, 0, 2}), 3)) == "");
    CHECK(shown(question, 2,
                record(here, 1, bytes_of({10, 0, 0, 1})) +
                    record(wire("A.EXAMPLE"), 1, bytes_of({10, 0, 0, 2}))) ==
          "[10.0.0.1][10.0.0.2]");
  }

  TEST_CASE("dns messages: aliases are followed to their end, circles are noticed") {
    const Question question{"a.example", Type::a};
    const auto address = bytes_of({10, 0, 0, 9});
    const auto to = [&](const std::string& from, const std::string& target) {
      return record(wire(from), 5, wire(target));
    };
    CHECK(shown(question, 3,
                record(wire("c.example"), 1, address) + to("b.example", "c.example") +
                    to("a.example", "B.example")) == "c.example:[10.0.0.9]");
    CHECK(shown(question, 1, to("a.example", "b.example")) == "b.example:");
    CHECK(shown(question, 2, to("a.example", "b.example") + to("b.example", "a.example")) ==
          "endless");
    std::string chain;
    for (int i = 0; i < 20; ++i) {
      chain += to(i == 0 ? "a.example" : "n" + std::to_string(i), "n" + std::to_string(i + 1));
    }
    CHECK(shown(question, 20, chain) == "endless");
    CHECK(shown({"a.example", Type::cname}, 2,
                to("a.example", "b.example") + to("b.example", "c.example")) == "[b.example]");
  }

  TEST_CASE("dns messages: rcode and truncation are told") {
    const Question question{"a.example", Type::a};
    CHECK(decode(question, 0, "", 0x8183).value().rcode == dns::rcode_nxdomain);
    CHECK(decode(question, 7, "cut", 0x8380).value().truncated);
    CHECK(dns::rcode_text(2) == "SERVFAIL");
    CHECK(dns::rcode_text(5) == "REFUSED");
    CHECK(dns::rcode_text(9) == "rcode 9");
    const auto formerr = two(id) + two(0x8181) + two(0) + two(0) + two(0) + two(0);
    CHECK(dns::decode_answer(formerr, id, question).value().rcode == 1);
  }

  TEST_CASE("dns messages: what belongs to another question is a stranger's") {
    const Question question{"a.example", Type::a};
    const auto good = answer_to(question, 0, "");
    const auto is_stranger = [&](const std::string& message, const Question& asked) {
      const auto decoded = dns::decode_answer(message, id, asked);
      return !decoded && decoded.error() == NoAnswer::stranger;
    };
    CHECK(!is_stranger(good, question));
    CHECK(is_stranger(two(id + 1) + good.substr(2), question));
    CHECK(is_stranger(good, {"b.example", Type::a}));
    CHECK(is_stranger(good, {"a.example", Type::aaaa}));
    CHECK(is_stranger(dns::encode_query(id, question), question));  // a query is no answer
    CHECK(is_stranger(good.substr(0, 11), question));
    CHECK(is_stranger("", question));
  }

  TEST_CASE("dns messages: what belongs to ours and can't be read is malformed, and never loops") {
    const Question question{"a.example", Type::a};
    const auto good = record(here, 1, bytes_of({10, 0, 0, 1}));
    for (std::size_t length = 0; length < good.size(); ++length) {
      CAPTURE(length);
      CHECK(shown(question, 1, good.substr(0, length)) == "malformed");
    }
    const auto size = static_cast<int>(answer_to(question, 0, "").size());
    const std::vector<std::string> rows{
        record(bytes_of({0xc0, size}), 1, "addr"),      // a pointer to itself
        record(bytes_of({0xc0, size + 2}), 1, "addr"),  // forward
        record(bytes_of({1, 'x', 0xc0, size}), 1, "addr"),
        record(bytes_of({0x80, 1}), 1, "addr"),  // neither label nor pointer
        record(here, 1, "12345"),
        record(here, 1, ""),
        record(here, 5, wire("b.example") + "x"),
        record(here, 5, bytes_of({3, 'a'})),
    };
    for (const auto& row : rows) {
      CAPTURE(row);
      CHECK(shown(question, 1, row) == "malformed");
    }
    CHECK(shown({"a.example", Type::txt}, 1, record(here, 16, bytes_of({5, 'a'}))) == "malformed");
    CHECK(shown({"a.example", Type::txt}, 1, record(here, 16, "")) == "malformed");
    CHECK(shown({"a.example", Type::mx}, 1, record(here, 15, "x")) == "malformed");
    // Pointers that lead back one by one, ever longer: the name ends at 255 bytes.
    std::string owner = wire(std::string(60, 'a'));
    std::string bytes = record(owner, 1, "addr");
    auto at = static_cast<std::size_t>(size);
    for (int i = 0; i < 6; ++i) {
      const auto next = static_cast<std::size_t>(size) + bytes.size();
      bytes +=
          record("\x3c" + std::string(60, 'b') +
                     bytes_of({static_cast<int>(0xc0 | at >> 8U), static_cast<int>(at & 0xff)}),
                 1, "addr");
      at = next;
    }
    CHECK(shown(question, 7, bytes) == "malformed");
  }

  TEST_CASE("dns messages: odd bytes in a name are escaped, so that a record stays one line") {
    const Question question{"a.example", Type::cname};
    CHECK(shown(question, 1, record(here, 5, bytes_of({5, 'a', '.', 0, '\\', 0xff, 0}))) ==
          "[a\\.\\000\\\\\\255]");
  }
}

}  // namespace vitals
