// Name resolution against scripted name servers: what they say, and what they don't.
#include <doctest/doctest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "probes/net.hpp"
#include "tests/support/name_server.hpp"
#include "tests/support/process.hpp"
#include "tests/support/resources.hpp"
#include "tests/support/timing.hpp"
#include "tests/support/undisturbed.hpp"

namespace vitals::net {
namespace {

using test::check_ended_at;
using test::DnsQuestion;
using test::DnsReply;
using test::NameServer;
using Kind = DnsReply::Kind;

/// resolv.conf and hosts of one test.
struct Files {
  test::TempDir folder;
  ResolverFiles paths;

  explicit Files(const std::string& resolv_conf, const std::string& hosts = "")
      : paths{folder.write("hosts", hosts).string(),
              folder.write("resolv.conf", resolv_conf).string()} {}
};

std::string lines_for(std::initializer_list<const NameServer*> servers) {
  std::string text;
  for (const auto* server : servers) text += "nameserver " + server->address() + "\n";
  return text;
}

NameServer::Script always(Kind kind) {
  return [kind](const DnsQuestion&) { return DnsReply{.kind = kind}; };
}

/// A and AAAA of every name.
NameServer::Script answering(std::vector<std::string> v4, std::vector<std::string> v6) {
  return [=](const DnsQuestion& question) { return DnsReply{.addresses = question.v6 ? v6 : v4}; };
}

struct Answer {
  std::string addresses;  // "fdaa::1 10.0.0.1"
  Reason reason = Reason::none;
  std::string detail;
  test::Took took;
};

Answer look_up(const std::string& host, const ResolverFiles& files,
               Duration limit = Duration(2'000), IpFamily family = IpFamily::any,
               int interrupt = -1) {
  const test::Stopwatch watch;
  const auto found = resolve({host, 80, {}}, family, Deadline::after(limit, interrupt), files);
  Answer answer;
  answer.took = watch.took();
  if (!found) {
    answer.reason = found.error().reason;
    answer.detail = found.error().detail;
    return answer;
  }
  for (const auto& address : found.value()) {
    answer.addresses += (answer.addresses.empty() ? "" : " ") + address.host_text();
  }
  return answer;
}

}  // namespace

TEST_SUITE("dns") {
  TEST_CASE("resolve: IPv6 and IPv4 come back interleaved, IPv6 first") {
    const NameServer server(answering({"10.0.0.1", "10.0.0.2"}, {"fdaa::1"}));
    const Files files(lines_for({&server}));
    const auto answer = look_up("db.example", files.paths);
    CHECK(answer.addresses == "fdaa::1 10.0.0.1 10.0.0.2");
    CHECK(answer.took.own() < test::at_most(Duration(50)));
    CHECK(server.questions().size() == 2);
    CHECK(look_up("db.example", files.paths, Duration(500), IpFamily::v4).addresses ==
          "10.0.0.1 10.0.0.2");
    CHECK(look_up("db.example", files.paths, Duration(500), IpFamily::v6).addresses == "fdaa::1");
  }

  TEST_CASE("resolve: one family alone is enough, and the other one's empty answer costs nothing") {
    const NameServer only_v4(answering({"10.0.0.1"}, {}));
    const NameServer only_v6(answering({}, {"fdaa::1"}));
    const Files four(lines_for({&only_v4}));
    const Files six(lines_for({&only_v6}));
    CHECK(look_up("a.example", four.paths).addresses == "10.0.0.1");
    const auto answer = look_up("a.example", six.paths);
    CHECK(answer.addresses == "fdaa::1");
    CHECK(answer.took.own() < test::at_most(Duration(40)));
  }

  TEST_CASE("resolve: with IPv4 known, a silent IPv6 is waited for 50 ms and no longer") {
    const NameServer server([](const DnsQuestion& question) {
      return question.v6 ? DnsReply{.kind = Kind::silence} : DnsReply{.addresses = {"10.0.0.1"}};
    });
    const Files files(lines_for({&server}));
    const auto answer = look_up("a.example", files.paths);
    CHECK(answer.addresses == "10.0.0.1");
    CHECK(answer.took.elapsed >= Duration(50));
    CHECK(answer.took.own() < test::at_most(Duration(100)));
  }

  TEST_CASE("resolve: an IPv6 answer that comes 30 ms late is taken along") {
    NameServer server([](const DnsQuestion& question) {
      if (!question.v6) return DnsReply{.addresses = {"10.0.0.1"}};
      return DnsReply{.addresses = {"fdaa::1"}, .delay = Duration(30)};
    });
    const Files files(lines_for({&server}));
    Answer answer;
    // 20 ms later still it would not be: the server has to be on time.
    REQUIRE(test::eventually([&] {
      server.forget();
      answer = look_up("a.example", files.paths);
      REQUIRE(test::eventually([&] { return server.lateness().has_value(); }));
      return *server.lateness() < Duration(5);
    }));
    CHECK(answer.addresses == "fdaa::1 10.0.0.1");
  }

  TEST_CASE("resolve: a name that does not exist is dns, at once, and says NXDOMAIN") {
    const NameServer server(always(Kind::nxdomain));
    const Files files(lines_for({&server}));
    const auto answer = look_up("nobody.example", files.paths);
    CHECK(answer.reason == Reason::dns);
    CHECK(answer.detail == "the name nobody.example does not exist (NXDOMAIN)");
    CHECK(answer.took.own() < test::at_most(Duration(50)));
  }

  TEST_CASE("resolve: an empty answer for .internal says that no started Machine has the name") {
    const NameServer server(answering({}, {}));
    const Files files(lines_for({&server}));
    const auto internal = look_up("App.Internal", files.paths);
    CHECK(internal.reason == Reason::dns);
    CHECK(internal.detail ==
          "App.Internal has no A or AAAA record: no started Machine has that name");
    CHECK(look_up("a.example", files.paths).detail == "a.example has no A or AAAA record");
    CHECK(look_up("a.example", files.paths, Duration(500), IpFamily::v4).detail ==
          "a.example has no A record");
  }

  TEST_CASE("resolve: SERVFAIL is dns and names the server") {
    const NameServer server(always(Kind::servfail));
    const Files files(lines_for({&server}));
    const auto answer = look_up("a.example", files.paths);
    CHECK(answer.reason == Reason::dns);
    CHECK(answer.detail.find("answered SERVFAIL") != std::string::npos);
    CHECK(answer.detail.find("127.0.0.1") != std::string::npos);
    CHECK(answer.took.own() < test::at_most(Duration(50)));
  }

  TEST_CASE("resolve: a server in trouble hands over to the next one at once") {
    const NameServer good(answering({"10.0.0.1"}, {}));
    for (const auto kind : {Kind::servfail, Kind::refused, Kind::garbage}) {
      CAPTURE(static_cast<int>(kind));
      const NameServer bad(always(kind));
      const Files files(lines_for({&bad, &good}));
      const auto answer = look_up("a.example", files.paths);
      CHECK(answer.addresses == "10.0.0.1");
      CHECK(answer.took.own() < test::at_most(Duration(100)));
    }
  }

  TEST_CASE("resolve: a server that is not there hands over at once, and is named when alone") {
    const NameServer good(answering({"10.0.0.1"}, {}));
    const auto nobody = "nameserver [127.0.0.1]:" + std::to_string(test::free_port()) + "\n";
    const Files both(nobody + lines_for({&good}));
    const auto answer = look_up("a.example", both.paths);
    CHECK(answer.addresses == "10.0.0.1");
    CHECK(answer.took.own() < test::at_most(Duration(100)));
    const Files alone(nobody);
    const auto failure = look_up("a.example", alone.paths);
    CHECK(failure.reason == Reason::dns);
    CHECK(failure.detail.find("can't be reached") != std::string::npos);
    CHECK(failure.took.own() < test::at_most(Duration(100)));
  }

  TEST_CASE("resolve: a silent server ends at the deadline as dns, named") {
    NameServer server(always(Kind::silence));
    const Files files(lines_for({&server}));
    const auto answer = test::undisturbed([&] {
      server.forget();
      return look_up("a.example", files.paths, Duration(400));
    });
    CHECK(answer.reason == Reason::dns);
    CHECK(answer.detail.find("did not answer") != std::string::npos);
    check_ended_at(answer.took, Duration(400));
    CHECK(server.questions().size() >= 4);  // asked again: a packet may be lost
  }

  TEST_CASE("resolve: a silent first server leaves time for the second") {
    const NameServer silent(always(Kind::silence));
    const NameServer good(answering({"10.0.0.1"}, {"fdaa::1"}));
    const Files files(lines_for({&silent, &good}));
    const auto answer =
        test::undisturbed([&] { return look_up("a.example", files.paths, Duration(600)); });
    CHECK(answer.addresses == "fdaa::1 10.0.0.1");
    CHECK(answer.took.elapsed >= Duration(90));
    CHECK(answer.took.own() < test::at_most(Duration(300)));
  }

  TEST_CASE("resolve: one server says SERVFAIL, the other nothing: both are told apart") {
    const NameServer bad(always(Kind::servfail));
    const NameServer silent(always(Kind::silence));
    const Files files(lines_for({&bad, &silent}));
    const auto answer =
        test::undisturbed([&] { return look_up("a.example", files.paths, Duration(300)); });
    CHECK(answer.reason == Reason::dns);
    CHECK(answer.detail.find("answered SERVFAIL") != std::string::npos);
    CHECK(answer.detail.find("did not answer") != std::string::npos);
    check_ended_at(answer.took, Duration(300));
  }

  TEST_CASE("resolve: a lost packet is made good by asking again") {
    std::atomic<int> asked = 0;
    const NameServer server([&asked](const DnsQuestion&) {
      return ++asked <= 2 ? DnsReply{.kind = Kind::silence} : DnsReply{.addresses = {}};
    });
    const Files files(lines_for({&server}));
    const auto answer = test::undisturbed([&] {
      asked = 0;
      return look_up("a.example", files.paths, Duration(600));
    });
    CHECK(answer.reason == Reason::dns);
    CHECK(answer.detail == "a.example has no A or AAAA record");
    CHECK(answer.took.own() < test::at_most(Duration(400)));
  }

  TEST_CASE("resolve: an interrupt ends it within 100 ms") {
    const NameServer server(always(Kind::silence));
    const Files files(lines_for({&server}));
    const Fd interrupt(eventfd(0, EFD_CLOEXEC));
    std::thread waker([&] {
      test::eventually([&] { return !server.questions().empty(); });
      const std::uint64_t one = 1;
      CHECK(write(interrupt.get(), &one, sizeof(one)) == sizeof(one));
    });
    const auto answer =
        look_up("a.example", files.paths, Duration(5'000), IpFamily::any, interrupt.get());
    waker.join();
    CHECK(answer.reason == Reason::timeout);
    CHECK(answer.took.own() < test::at_most(Duration(100)));
  }

  TEST_CASE("resolve: a CNAME is followed, a truncated answer asked for again over TCP") {
    const NameServer server([](const DnsQuestion& question) {
      if (question.v6) return DnsReply{};
      if (!question.tcp) return DnsReply{.kind = Kind::truncated};
      return DnsReply{.addresses = {"10.0.0.7"}, .alias = "real.example"};
    });
    const Files files(lines_for({&server}));
    CHECK(look_up("alias.example", files.paths).addresses == "10.0.0.7");
  }

  TEST_CASE("resolve: numbers, localhost and the hosts file ask nobody") {
    const NameServer server(answering({"10.9.9.9"}, {}));
    const Files files(lines_for({&server}),
                      "# comment\n\n\t10.0.0.5\t App.Example  app # tail\n"
                      "fdaa::5 app.example\nnonsense app.example\n127.0.0.9 localhost\n");
    CHECK(look_up("10.1.1.1", files.paths).addresses == "10.1.1.1");
    CHECK(look_up("::ffff", files.paths).addresses == "::ffff");
    CHECK(look_up("LOCALHOST", files.paths).addresses == "::1 127.0.0.1");
    CHECK(look_up("x.localhost.", files.paths).addresses == "::1 127.0.0.1");
    CHECK(look_up("app.example", files.paths).addresses == "fdaa::5 10.0.0.5");
    CHECK(look_up("APP", files.paths).addresses == "10.0.0.5");
    CHECK(look_up("10.1.1.1", files.paths, Duration(100), IpFamily::v6).reason == Reason::dns);
    CHECK(server.questions().empty());
    CHECK(look_up("app", files.paths, Duration(500), IpFamily::v6).reason == Reason::dns);
    CHECK(!server.questions().empty());  // the hosts file has no IPv6 for it
  }

  TEST_CASE("resolve: resolv.conf may hold tabs, blank lines and comments; hosts may be missing") {
    const NameServer server(answering({"10.0.0.1"}, {}));
    Files files("\n; comment\n\tnameserver\t" + server.address() +
                "  # tail\n\noptions\ttimeout:30 attempts:9\nunknown line\nnameserver\n");
    files.paths.hosts = "/nonexistent/hosts";
    CHECK(look_up("a.example", files.paths).addresses == "10.0.0.1");
  }

  TEST_CASE("resolve: the files are read at each lookup") {
    const NameServer before(answering({"10.0.0.1"}, {}));
    const NameServer after(answering({"10.0.0.2"}, {}));
    const Files files(lines_for({&before}));
    CHECK(look_up("a.example", files.paths).addresses == "10.0.0.1");
    files.folder.write("resolv.conf", lines_for({&after}));
    CHECK(look_up("a.example", files.paths).addresses == "10.0.0.2");
  }

  TEST_CASE("name_servers: those of resolv.conf in order, three at most; 127.0.0.1 without any") {
    const auto listed = [](const std::string& resolv_conf) {
      const Files files(resolv_conf);
      std::string text;
      for (const auto& server : name_servers(files.paths)) text += server.text() + " ";
      return text;
    };
    CHECK(listed("nameserver fdaa::3\nnameserver nonsense\nnameserver [127.0.0.1]:5353\n"
                 "nameserver 10.0.0.2\nnameserver 10.0.0.3\n") ==
          "[fdaa::3]:53 127.0.0.1:5353 10.0.0.2:53 ");
    CHECK(listed("search fly.dev\n") == "127.0.0.1:53 ");
  }

  TEST_CASE("resolve: search domains and ndots decide which names are asked, in order") {
    const NameServer server([](const DnsQuestion& question) {
      if (question.name == "db.two.test") return DnsReply{.addresses = {}};
      if (question.name == "db.x") return DnsReply{.kind = Kind::nxdomain};
      return DnsReply{.kind = Kind::nxdomain};
    });
    const Files files("search one.test two.test.\n" + lines_for({&server}));
    const auto names = [&](const std::string& host) {
      const auto from = server.questions().size();
      const auto failure = look_up(host, files.paths);
      CHECK(failure.reason == Reason::dns);
      std::string text;
      const auto asked = server.questions();
      for (auto i = from; i < asked.size(); i += 2) text += asked[i].name + " ";
      return text + "| " + failure.detail;
    };
    CHECK(names("db") == "db.one.test db.two.test db | the name db does not exist (NXDOMAIN)");
    CHECK(names("db.x") ==
          "db.x db.x.one.test db.x.two.test | the name db.x does not exist (NXDOMAIN)");
    CHECK(names("db.") == "db | the name db. does not exist (NXDOMAIN)");
  }

  TEST_CASE("resolve: without a name server line 127.0.0.1 is asked, and the detail says why") {
    const Files files("# nothing\n");
    const auto answer = look_up("a.example", files.paths, Duration(200));
    CHECK(answer.reason == Reason::dns);
    CHECK(answer.detail.find("resolv.conf names no server") != std::string::npos);
  }

  TEST_CASE(
      "resolve: a look-up that begins after the deadline is a timeout, not the name's fault") {
    const NameServer server(answering({"10.0.0.1"}, {}));
    const Files files(lines_for({&server}));
    CHECK(look_up("late.test", files.paths, Duration(0)).reason == Reason::timeout);
    CHECK(server.questions().empty());
  }

  TEST_CASE("resolve: names that are none are dns, not a crash") {
    const NameServer server(answering({"10.0.0.1"}, {}));
    const Files files(lines_for({&server}));
    for (const auto& name : {std::string(""), std::string("a..b"), std::string(64, 'a') + ".test",
                             std::string(300, 'a'), std::string("..")}) {
      CAPTURE(name);
      CHECK(look_up(name, files.paths, Duration(300)).reason == Reason::dns);
    }
  }

  TEST_CASE("resolve: 200 rounds leave no descriptor and no thread behind") {
    const NameServer good(answering({"10.0.0.1"}, {"fdaa::1"}));
    const NameServer bad(always(Kind::servfail));
    const NameServer silent(always(Kind::silence));
    const Files works(lines_for({&bad, &good}));
    const Files hangs(lines_for({&silent}));
    const auto descriptors = test::open_descriptors();
    const auto threads = test::running_threads();
    for (int i = 0; i < 200; ++i) {
      CHECK(look_up("a.example", works.paths).addresses == "fdaa::1 10.0.0.1");
      if (i % 10 == 0) CHECK(!look_up("a.example", hangs.paths, Duration(5)).detail.empty());
    }
    CHECK(test::open_descriptors() == descriptors);
    CHECK(test::running_threads() == threads);
  }
}

}  // namespace vitals::net
