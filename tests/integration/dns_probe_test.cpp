// Kind dns against name servers that answer, refuse, stay silent, truncate, lie and babble.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include <vitals/fd.hpp>

#include "tests/support/check_fixture.hpp"
#include "tests/support/name_server.hpp"
#include "tests/support/process.hpp"
#include "tests/support/resources.hpp"
#include "tests/support/timing.hpp"

namespace vitals {
namespace {

using test::dns_name;
using test::DnsQuestion;
using test::DnsReply;
using test::NameServer;
using Kind = DnsReply::Kind;

constexpr Duration short_limit{300};
/// So long that no question is asked again because the answer is slow on a busy machine.
constexpr Duration patient_limit{30'000};

std::string server_line(std::uint16_t port) {
  return "server = \"127.0.0.1:" + std::to_string(port) + "\"\n";
}

ConfiguredCheck check_of(const NameServer& server, const std::string& more = "") {
  return test::make_check("kind = \"dns\"\nname = \"app.example\"\n" + server_line(server.port()) +
                          more);
}

ProbeResult ask(const NameServer& server, const std::string& more = "",
                Duration limit = Duration(2'000)) {
  return test::ask(check_of(server, more), limit);
}

NameServer::Script always(DnsReply reply) {
  return [reply](const DnsQuestion&) { return reply; };
}

std::string two(unsigned value) {
  return {static_cast<char>(value >> 8U), static_cast<char>(value & 0xffU)};
}

/// A UDP socket that talks to itself alone: whoever else sends to it hears that nobody is there,
/// and nobody gets the port meanwhile.
class RefusingUdpPort {
 public:
  RefusingUdpPort() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(fd_.get(), raw, length) == 0);
    REQUIRE(getsockname(fd_.get(), raw, &length) == 0);
    REQUIRE(connect(fd_.get(), raw, length) == 0);
    port_ = ntohs(address.sin_port);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  Fd fd_;
  std::uint16_t port_ = 0;
};

std::string mistakes_of(const std::string& body) {
  try {
    test::make_check("kind = \"dns\"\n" + body);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

const DnsReply good{.addresses = {"10.0.0.1", "10.0.0.2"}};

}  // namespace

TEST_SUITE("dns") {
  TEST_CASE("dns: an answer with records is pass and shows them") {
    const NameServer server(always(good));
    const auto result = ask(server, "", patient_limit);
    CHECK(result.outcome == Outcome::pass);
    CHECK(result.detail == "A 10.0.0.1, 10.0.0.2");
    CHECK(result.phases.get(Phase::resolve).has_value());
    CHECK(result.phases.get(Phase::request).has_value());
    CHECK(!result.phases.get(Phase::connect).has_value());
    REQUIRE(server.questions().size() == 1);
    CHECK(server.questions()[0].name == "app.example");
    CHECK(server.questions()[0].type == 1);
  }

  TEST_CASE("dns: every type is asked for by its number and shown as text") {
    struct Row {
      const char* type;
      std::uint16_t number;
      std::string data;
      const char* detail;
    };
    const std::vector<Row> rows{
        {"AAAA", 28, std::string(15, '\0') + "\1", "AAAA ::1"},
        {"CNAME", 5, dns_name("www.example"), "CNAME www.example"},
        {"TXT", 16, "\7v=spf1 \4-all", "TXT v=spf1 -all"},
        {"SRV", 33, two(1) + two(2) + two(5060) + dns_name("sip.example"),
         "SRV 1 2 5060 sip.example"},
        {"MX", 15, two(10) + dns_name("mail.example"), "MX 10 mail.example"},
        {"NS", 2, dns_name("ns1.example"), "NS ns1.example"},
    };
    for (const auto& row : rows) {
      CAPTURE(row.type);
      const NameServer server(always({.records = {{row.number, row.data}}}));
      const auto result = ask(server, "type = \"" + std::string(row.type) + "\"");
      CHECK(result.outcome == Outcome::pass);
      CHECK(result.detail == row.detail);
      CHECK(server.questions()[0].type == row.number);
    }
  }

  TEST_CASE("dns: expect looks at each record, and what does not match is assertion") {
    const NameServer server(always(good));
    CHECK(ask(server, "expect = \"10.0.0.2\"").outcome == Outcome::pass);
    CHECK(ask(server, "expect = '/^10\\.0\\.0\\.1$/'").outcome == Outcome::pass);
    const auto result = ask(server, "expect = \"10.0.0.3\"");
    CHECK(result.reason == Reason::assertion);
    CHECK(result.detail == "no record with \"10.0.0.3\", but A 10.0.0.1, 10.0.0.2");
    CHECK(ask(server, "expect = '/0[.]1.*0[.]2/'").outcome ==
          Outcome::fail);  // never across records
  }

  TEST_CASE("dns: aliases are followed; one that leads to nothing is dns and says where") {
    const NameServer server(always({.addresses = {"10.0.0.1"}, .alias = "host.example"}));
    CHECK(ask(server).detail == "A 10.0.0.1");
    const NameServer dangling(always({.alias = "gone.example"}));
    const auto result = ask(dangling);
    CHECK(result.reason == Reason::dns);
    CHECK(result.detail == "app.example (CNAME gone.example) has no A record (NODATA)");
    const NameServer circle(always({.alias = "app.example"}));
    CHECK(ask(circle).reason == Reason::dns);
    CHECK(ask(circle).detail.find("do not end") != std::string::npos);
  }

  TEST_CASE("dns: NXDOMAIN, NODATA, SERVFAIL and REFUSED are dns at once, by name") {
    struct Row {
      DnsReply reply;
      const char* word;
    };
    for (const auto& [reply, word] :
         {Row{{.kind = Kind::nxdomain}, "NXDOMAIN"}, Row{{.addresses = {}}, "NODATA"},
          Row{{.kind = Kind::servfail}, "SERVFAIL"}, Row{{.kind = Kind::refused}, "REFUSED"}}) {
      CAPTURE(word);
      const NameServer server(always(reply));
      const test::Stopwatch watch;
      const auto result = ask(server);
      CHECK(watch.took().own() < test::at_most(Duration(1'000)));
      CHECK(result.reason == Reason::dns);
      CHECK(result.detail.find(word) != std::string::npos);
    }
  }

  TEST_CASE("dns: a silent server is dns at the deadline, asked more than once") {
    constexpr Duration limit{900};
    const NameServer server(always({.kind = Kind::silence}));
    const test::Stopwatch watch;
    const auto result = ask(server, "", limit);
    CHECK(result.reason == Reason::dns);
    CHECK(result.detail.find("did not answer") != std::string::npos);
    test::check_ended_at(watch.took(), limit);
    CHECK(server.questions().size() >= 2);
  }

  TEST_CASE("dns: a lost packet is made good by asking again, a late answer counts") {
    std::atomic<int> asked = 0;
    const NameServer loses(
        [&](const DnsQuestion&) { return ++asked == 1 ? DnsReply{.kind = Kind::silence} : good; });
    CHECK(ask(loses, "", Duration(10'000)).outcome == Outcome::pass);
    std::atomic<int> heard = 0;
    const NameServer late([&](const DnsQuestion&) {
      if (++heard > 1) return DnsReply{.kind = Kind::silence};
      auto reply = good;
      reply.delay = std::chrono::seconds(4);  // it is asked again after 1 s
      return reply;
    });
    CHECK(ask(late, "", Duration(12'000)).outcome == Outcome::pass);
    CHECK(heard >= 2);
  }

  TEST_CASE("dns: a truncated answer is asked for again over TCP") {
    const NameServer server([](const DnsQuestion& question) {
      return question.tcp ? good : DnsReply{.kind = Kind::truncated};
    });
    const auto result = ask(server, "", patient_limit);
    CHECK(result.outcome == Outcome::pass);
    REQUIRE(server.questions().size() == 2);
    CHECK(server.questions()[1].tcp);

    const NameServer big([](const DnsQuestion& question) {
      if (!question.tcp) return DnsReply{.kind = Kind::truncated};
      DnsReply reply;
      for (int i = 0; i < 300; ++i) reply.addresses.push_back("10.0.1." + std::to_string(i % 256));
      reply.addresses.push_back("10.9.9.9");
      return reply;
    });
    CHECK(ask(big, "expect = \"10.9.9.9\"").outcome == Outcome::pass);
    const NameServer closes(always({.kind = Kind::truncated}));
    CHECK(ask(closes).reason == Reason::protocol);  // truncated over TCP, too
    const NameServer mute([](const DnsQuestion& question) {
      return DnsReply{.kind = question.tcp ? Kind::silence : Kind::truncated};
    });
    const auto failure = ask(mute, "", short_limit);
    CHECK(failure.reason == Reason::dns);
    CHECK(failure.detail.find("over TCP") != std::string::npos);
  }

  TEST_CASE("dns: packets that are no answer to our question are passed over") {
    auto reply = good;
    reply.tamper = [](std::string packet) {
      auto other_id = packet;
      other_id[0] = static_cast<char>(other_id[0] ^ 1);
      auto other_name = packet;
      other_name[13] = 'x';
      auto query = packet;
      query[2] = 1;
      return std::vector<std::string>{"", "?", other_id, other_name, query, packet};
    };
    const NameServer server(always(reply));
    CHECK(ask(server).outcome == Outcome::pass);
    reply.tamper = [](std::string packet) {
      packet[0] = static_cast<char>(packet[0] ^ 1);
      return std::vector<std::string>{packet};
    };
    const NameServer forger(always(reply));
    CHECK(ask(forger, "", short_limit).reason == Reason::dns);
  }

  TEST_CASE("dns: ids differ from attempt to attempt") {
    std::atomic<int> same = 0;
    std::string last;
    auto reply = good;
    reply.tamper = [&](std::string packet) {
      if (packet.substr(0, 2) == last) ++same;
      last = packet.substr(0, 2);
      return std::vector<std::string>{packet};
    };
    const NameServer server(always(reply));
    const auto check = check_of(server);
    for (int i = 0; i < 10; ++i) CHECK(test::ask(check).outcome == Outcome::pass);
    CHECK(same <= 1);
  }

  TEST_CASE("dns: an answer to our question that can't be read is protocol, at once") {
    const NameServer server(always({.kind = Kind::garbage}));
    const test::Stopwatch watch;
    const auto result = ask(server);
    CHECK(result.reason == Reason::protocol);
    CHECK(result.detail.find("can't be read") != std::string::npos);
    CHECK(watch.took().own() < test::at_most(Duration(1'000)));
  }

  TEST_CASE("dns: a server that is not there is dns, at once, and says that it can't be reached") {
    const RefusingUdpPort port;
    const auto check =
        test::make_check("kind = \"dns\"\nname = \"a.example\"\n" + server_line(port.port()));
    const test::Stopwatch watch;
    const auto result = test::ask(check);
    CHECK(result.reason == Reason::dns);
    CHECK(result.detail.find("can't be reached") != std::string::npos);
    CHECK(watch.took().own() < test::at_most(Duration(1'000)));
  }

  TEST_CASE("dns: an interrupt ends it within 100 ms") {
    const NameServer server(always({.kind = Kind::silence}));
    const auto check = check_of(server);
    test::check_ends_at_interrupt(check);
  }

  TEST_CASE("dns: it is shared and degraded, and its target is the server") {
    const NameServer server(always(good));
    const auto check = check_of(server);
    CHECK(check.spec->scope == Scope::shared);
    CHECK(check.spec->impact == Impact::degraded);
    CHECK(check.spec->target == "dns://127.0.0.1:" + std::to_string(server.port()));
    const auto target = [](const std::string& line) {
      return test::make_check("kind = \"dns\"\nname = \"a.example\"\n" + line).spec->target;
    };
    CHECK(target("server = \"1.1.1.1\"") == "dns://1.1.1.1:53");
    CHECK(target("server = \"fdaa::3\"") == "dns://[fdaa::3]:53");
    CHECK(target("server = \"[fdaa::3]:5353\"") == "dns://[fdaa::3]:5353");
    CHECK(target("server = \"dns.example\"") == "dns://dns.example:53");
    CHECK(target("") == "dns://resolv.conf");
  }

  TEST_CASE("dns: bad settings are complaints with a way out") {
    CHECK(mistakes_of("").find("name") != std::string::npos);
    CHECK(mistakes_of("name = \"a..b\"").find("two dots") != std::string::npos);
    CHECK(mistakes_of("name = \"a\"\ntype = \"PTR\"").find("PTR") != std::string::npos);
    CHECK(mistakes_of("name = \"a\"\nserver = \"1.1.1.1:0\"").find("1 to 65535") !=
          std::string::npos);
    CHECK(mistakes_of("name = \"a\"\nexpect = '/a(/'").find("not a regular expression") !=
          std::string::npos);
    CHECK(mistakes_of("name = \"a\"").empty());
  }

  TEST_CASE("dns: 200 rounds of every outcome leave no descriptor and no thread behind") {
    const NameServer server(always(good));
    const NameServer wrong(always({.kind = Kind::garbage}));
    const NameServer by_tcp([](const DnsQuestion& question) {
      return question.tcp ? good : DnsReply{.kind = Kind::truncated};
    });
    const auto check = check_of(server);
    const auto bad = check_of(wrong);
    const auto tcp = check_of(by_tcp);
    const auto descriptors = test::open_descriptors();
    const auto threads = test::running_threads();
    for (int i = 0; i < 200; ++i) {
      CHECK(test::ask(check).outcome == Outcome::pass);
      CHECK(test::ask(bad).reason == Reason::protocol);
      CHECK(test::ask(tcp).outcome == Outcome::pass);
    }
    CHECK(test::eventually([&] { return test::open_descriptors() == descriptors; }));
    CHECK(test::running_threads() == threads);
  }
}

}  // namespace vitals
