#include "agent/sources/haproxy/live_state.h"

#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/sources/haproxy/runtime_api.h"
#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/fake_haproxy.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/file_trees.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"

namespace holdfast::haproxy {
namespace {

using nlohmann::json;
using testing::FakeHaproxy;
using testing::Unwrap;
using testing::WriteText;

constexpr std::string_view kPem =
    "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n";  // "abc"
constexpr const char* kPemSum = "A9993E364706816ABA3E25717850C26C9CD0D89D";

// Files of a configuration, and a HAProxy that has loaded them.
struct Rig {
  Rig() {
    WriteText(Path("a.map"), "# hello\nk 1\nl  2\n");
    WriteText(Path("b.acl"), "x\n");
    WriteText(Path("site.pem"), kPem);
    WriteText(Path("h.cfg"), "backend b\n server s1 127.0.0.1:1\n server s2 127.0.0.1:2\n");
    settings.config = {Path("h.cfg")};
    settings.socket = Path("s");
    answers = {
        {"show cli level", "operator\n"},
        {"show info", Info(7)},
        {"show servers state",
         "1\n# be_id be_name srv_id srv_name srv_addr srv_admin_state srv_uweight srv_iweight "
         "srv_port\n5 b 1 s1 127.0.0.1 0 1 1 1\n5 b 2 s2 127.0.0.1 0 1 1 2\n"},
        {"show map", "# id (file) description\n3 (" + Path("a.map") +
                         ") pattern loaded from file 'x' used by map at file 'h.cfg' line 2. "
                         "curr_ver=0 next_ver=0 entry_cnt=2\n"},
        {"show map #3", "0x1 k 1\n0x2 l 2\n"},
        {"show acl", "# id (file) description\n0 (" + Path("b.acl") +
                         ") pattern. curr_ver=0 next_ver=0 entry_cnt=1\n1 () acl 'hdr' file 'h' "
                         "line 2. curr_ver=0 next_ver=0 entry_cnt=1\n"},
        {"show acl #0", "0x1 x\n"},
        {"show table",
         "# table: t, type: ip, size:10, used:1\n# table: p/q, type: ip, size:1, "
         "used:0\n"},
        {"show table t",
         "# table: t, type: ip, size:10, used:1\n0x5: key=::1 use=0 exp=9 gpc0=2\n"},
        {"show table p/q", "# table: p/q, type: ip, size:1, used:0\n"},
        {"show ssl cert", "# filename\n" + Path("site.pem") + "\n"},
        {"show ssl cert " + Path("site.pem"), Certificate(kPemSum)},
    };
  }

  static std::string Info(int pid) {
    return fmt::format(
        "Name: HAProxy\nVersion: 2.6.12\nNbthread: 2\nNbproc: 1\nPid: {}\n"
        "Start_time_sec: 99999999999\n",
        pid);
  }
  std::string Certificate(const std::string& sum) const {
    return fmt::format("Filename: {}\nStatus: Used\nSerial: 01\nSHA1 FingerPrint: {}\n",
                       Path("site.pem"), sum);
  }
  std::string Path(const std::string& name) const { return directory.path() + "/" + name; }

  LiveState Take() {
    return Unwrap(
        LiveState::Take({.settings = &settings, .state_dir = Path("state"), .clock = &clock}, {}));
  }
  // Content by path below "live".
  static std::map<std::string, std::string> Items(LiveState& live) {
    std::map<std::string, std::string> items;
    while (auto item = Unwrap(live.Next("live"))) {
      auto& reader = *std::get<std::unique_ptr<ByteReader>>(item->content);
      std::string text;
      Bytes buffer(7);
      for (;;) {
        const std::size_t count = Unwrap(reader.Read(buffer));
        if (count == 0) break;
        text += AsText(ByteView(buffer).first(count));
      }
      REQUIRE(item->attributes.size == text.size());
      REQUIRE(items.emplace(item->path.substr(5), text).second);
    }
    return items;
  }
  static Manifest Describe(const LiveState& live) {
    Manifest manifest;
    live.Describe(manifest);
    return manifest;
  }

  TempDir directory = Unwrap(TempDir::Create("live"));
  testing::ManualClock clock;
  Settings settings;
  FakeHaproxy::Answers answers;
};

TEST_CASE("haproxy live state: everything is saved, without memory addresses") {
  Rig rig;
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);

  LiveState live = rig.Take();

  REQUIRE(live.drift().empty());
  REQUIRE_FALSE(live.is_cold());
  const auto items = Rig::Items(live);
  REQUIRE(items.at("1/info") == Rig::Info(7));
  REQUIRE(items.at("1/servers-state") == rig.answers["show servers state"]);
  REQUIRE(items.at("1/maps" + rig.Path("a.map")) == "k 1\nl 2\n");
  REQUIRE(items.at("1/acls" + rig.Path("b.acl")) == "x\n");
  REQUIRE(items.at("1/tables/t") ==
          "# table: t, type: ip, size:10, used:1\nkey=::1 use=0 exp=9 gpc0=2\n");
  REQUIRE(items.contains("1/tables/p%2Fq"));
  const json certificates = json::parse(items.at("1/certificates.json"));
  REQUIRE(certificates["certificates"].at(0)["sha1"] == kPemSum);
  REQUIRE(certificates["certificates"].at(0)["differs"] == false);
  const json index = json::parse(items.at("live.json"));
  REQUIRE(index["workers"].at(0)["pid"] == 7);
  REQUIRE(index["workers"].at(0)["servers"] == 2);
  REQUIRE(index["workers"].at(0)["tables"].at(0)["rows"] == 1);
  REQUIRE(index["workers"].at(0)["maps"].at(0)["differs"] == false);
  REQUIRE(index["workers"].at(0)["acls"].size() == 1);
  REQUIRE(index["drift"].empty());
  REQUIRE(items.size() == 8);
  const Manifest manifest = Rig::Describe(live);
  REQUIRE(manifest.missing.empty());
  REQUIRE(manifest.warnings.empty());
  REQUIRE(manifest.identity.at("running_version") == "2.6.12");
  REQUIRE(manifest.details.at("live") == std::vector<std::string>{"saved"});
  REQUIRE(testing::Exists(rig.Path("state")));
}

TEST_CASE("haproxy live state: each difference from the files is named") {
  Rig rig;
  rig.answers["show map #3"] = "0x1 k 1\n0x2 l 2\n0x3 m 3\n";
  rig.answers["show acl #0"] = "0x1 y\n";
  rig.answers["show ssl cert " + rig.Path("site.pem")] = rig.Certificate("00AA");
  rig.answers["show info"] =
      "Version: 2.6.12\nPid: 7\nStart_time_sec: 1600000000\n";  // older than the files
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);

  const LiveState live = rig.Take();

  REQUIRE(
      Rig::Describe(live).details.at("drift") ==
      std::vector<std::string>{
          fmt::format("configuration {}: changed after HAProxy loaded it", rig.Path("h.cfg")),
          fmt::format("map {}: 3 entries, 2 in the file", rig.Path("a.map")),
          fmt::format("acl {}: 1 entry, with different content from the file", rig.Path("b.acl")),
          fmt::format("certificate {}: serial 01, SHA-1 00AA in memory; SHA-1 {} in the file",
                      rig.Path("site.pem"), kPemSum)});
}

TEST_CASE("haproxy live state: a certificate that is in no file is missing from the snapshot") {
  Rig rig;
  const std::string site = rig.Path("site.pem");
  SECTION("the file has another one") {
    rig.answers["show ssl cert " + site] = rig.Certificate("00AA");
  }
  SECTION("the file does not exist") { REQUIRE(::unlink(site.c_str()) == 0); }
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);

  const Manifest manifest = Rig::Describe(rig.Take());

  REQUIRE(manifest.missing.size() == 1);
  REQUIRE(manifest.missing[0].what == "certificate " + site + " in HAProxy's memory");
  REQUIRE_THAT(manifest.missing[0].remedy, Catch::Contains("write the certificate and its key to"));
}

TEST_CASE("haproxy live state: a certificate without content is not missing") {
  Rig rig;
  const std::string site = rig.Path("site.pem");
  rig.answers["show ssl cert " + site] = fmt::format("Filename: {}\nStatus: Empty\n", site);
  REQUIRE(::unlink(site.c_str()) == 0);
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);
  REQUIRE(Rig::Describe(rig.Take()).missing.empty());
}

TEST_CASE("haproxy live state: a certificate with an alias is searched in the named files") {
  Rig rig;
  WriteText(rig.Path("h.cfg"), fmt::format("frontend f\n bind :443 ssl crt {}\n backend b\n "
                                           "server s1 127.0.0.1:1\n server s2 127.0.0.1:2\n",
                                           rig.Path("site.pem")));
  rig.answers["show ssl cert"] = "# filename\n@web/site\n";
  rig.answers["show ssl cert @web/site"] =
      fmt::format("Filename: @web/site\nStatus: Used\nSHA1 FingerPrint: {}\n", kPemSum);
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);
  REQUIRE(Rig::Describe(rig.Take()).missing.empty());

  haproxy.Set("show ssl cert @web/site",
              "Filename: @web/site\nStatus: Used\nSHA1 FingerPrint: 00AA\n");
  const Manifest manifest = Rig::Describe(rig.Take());
  REQUIRE(manifest.missing.size() == 1);
  REQUIRE_THAT(manifest.missing[0].what, Catch::Contains("@web/site"));
}

TEST_CASE("haproxy live state: maps and lists that are in no file are named in warnings") {
  Rig rig;
  rig.answers["show map #3"] = "0x1 k 1\n0x2 l 2\n0x3 m 3\n";
  rig.answers["show acl #0"] = "0x1 y\n";
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);

  const Manifest manifest = Rig::Describe(rig.Take());

  REQUIRE(manifest.missing.empty());
  REQUIRE(manifest.warnings.size() == 2);
  REQUIRE_THAT(manifest.warnings[0], Catch::Contains("map " + rig.Path("a.map")));
  REQUIRE_THAT(manifest.warnings[1], Catch::Contains("acl " + rig.Path("b.acl")));
}

TEST_CASE("haproxy live state: a changed inline list is saved") {
  Rig rig;
  WriteText(rig.Path("h.cfg"),
            "backend b\n server s1 127.0.0.1:1\n server s2 127.0.0.1:2\n"
            " acl a src 10.0.0.1 10.0.0.2\n acl b hdr(x) y\n");
  const auto place = [&](int id, const std::string& criterion, const std::string& file, int line) {
    return fmt::format("{} () acl '{}' file '{}' line {}. curr_ver=0 next_ver=0 entry_cnt=1\n", id,
                       criterion, file, line);
  };
  rig.answers["show acl"] = place(1, "src", rig.Path("h.cfg"), 4) +
                            place(2, "hdr", rig.Path("h.cfg"), 5) +
                            place(3, "var", "httpclient", 0);
  rig.answers["show acl #1"] = "0x1 10.0.0.1\n0x2 10.0.0.2\n0x3 10.0.0.3\n";
  rig.answers["show acl #2"] = "0x1 y\n";
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);

  LiveState live = rig.Take();

  REQUIRE(Rig::Describe(live).details.at("drift") ==
          std::vector<std::string>{
              fmt::format("acl #1 (acl 'src' file '{}' line 4): 3 entries, 2 in the configuration",
                          rig.Path("h.cfg"))});
  const auto items = Rig::Items(live);
  REQUIRE(items.at("1/inline-acls/1") == "10.0.0.1\n10.0.0.2\n10.0.0.3\n");
  REQUIRE_FALSE(items.contains("1/inline-acls/2"));
  const json saved = json::parse(items.at("live.json"))["workers"].at(0)["inline_acls"];
  REQUIRE(saved.size() == 1);
  REQUIRE(saved.at(0)["id"] == 1);
  REQUIRE(saved.at(0)["entries"] == 3);
}

TEST_CASE("haproxy live state: servers that differ from the configuration") {
  const ConfiguredServers configured{
      .addresses = {{"b/s1", "10.0.0.1:80"}, {"b/s2", "app:80"}, {"b/s3", ""}, {"c/t1", ""}},
      .templated = {"c"}};
  const auto server = [](std::string backend, std::string name, std::string address) {
    ServerState state{.backend = std::move(backend), .name = std::move(name)};
    state.address = std::move(address);
    state.port = "80";
    return state;
  };
  std::vector<ServerState> servers = {server("b", "s1", "10.0.0.1"), server("b", "s2", "10.0.0.2"),
                                      server("b", "s3", "10.0.0.3"), server("c", "t2", "10.0.0.9"),
                                      server("httpclient", "x", "-")};
  REQUIRE(DriftOfServers(servers, configured).empty());
  servers[3].admin_state = 0x05;  // "disabled" in the configuration
  REQUIRE(DriftOfServers(servers, configured).empty());
  servers[3].admin_state = 0x04;
  servers[0].address = "10.0.0.7";
  servers[0].admin_state = 0x09;
  servers[1].weight = 5;
  servers.push_back(server("b", "s4", "10.0.0.4"));
  REQUIRE(DriftOfServers(servers, configured) ==
          std::vector<Drift>{{"server", "b/s1", "put into maintenance"},
                             {"server", "b/s1", "drained"},
                             {"server", "b/s1", "address 10.0.0.7:80, configured 10.0.0.1:80"},
                             {"server", "b/s2", "weight 5, configured 0"},
                             {"server", "c/t2", "enabled, configured disabled"},
                             {"server", "b/s4", "added while HAProxy ran"}});
}

TEST_CASE("haproxy live state: a socket with too low a level is named") {
  Rig rig;
  rig.answers["show cli level"] = "user\n";
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);

  LiveState live = rig.Take();

  const Manifest manifest = Rig::Describe(live);
  REQUIRE(manifest.missing.size() == 1);
  REQUIRE_THAT(manifest.missing[0].reason,
               Catch::Contains(rig.Path("s")) && Catch::Contains("level \"user\""));
  REQUIRE_THAT(manifest.missing[0].remedy, Catch::Contains("level operator"));
  const auto items = Rig::Items(live);
  REQUIRE(items.contains("1/servers-state"));
  REQUIRE(items.contains("1/maps" + rig.Path("a.map")));
  REQUIRE_FALSE(items.contains("1/tables/t"));
  for (const std::string& question : haproxy.asked())
    REQUIRE_FALSE(question.starts_with("show table"));
}

TEST_CASE("haproxy live state: without a running HAProxy the state is cold") {
  Rig rig;
  SECTION("no socket") {}
  SECTION("no listener") { FakeHaproxy ended(rig.Path("s"), {}); }
  LiveState live = rig.Take();
  REQUIRE(live.is_cold());
  REQUIRE(Rig::Items(live).empty());
  const Manifest manifest = Rig::Describe(live);
  REQUIRE(manifest.missing.empty());
  REQUIRE_THAT(manifest.warnings.at(0), Catch::StartsWith("cold: HAProxy does not run"));
  REQUIRE(manifest.details.at("live") == std::vector<std::string>{"cold"});
}

TEST_CASE("haproxy live state: an unknown process state is not mistaken for a stopped HAProxy") {
  Rig rig;
  WriteText(rig.Path("pid"), fmt::format("{}\n", ::getpid()));
  rig.settings.reload = ReloadMethod{ReloadMethod::Via::kPidFile, rig.Path("pid")};
  const Manifest manifest = Rig::Describe(rig.Take());
  REQUIRE_THAT(manifest.missing.at(0).reason,
               Catch::Contains("cannot determine whether HAProxy runs: process "));
  REQUIRE_THAT(manifest.missing.at(0).remedy, Catch::Contains("name its master"));
  REQUIRE(manifest.details.at("live") == std::vector<std::string>{"missing"});
}

TEST_CASE("haproxy live state: a pipe in place of a certificate file is not waited for") {
  Rig rig;
  const std::string pipe = rig.Path("site.pem");
  REQUIRE(::unlink(pipe.c_str()) == 0);
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);
  LiveState live = rig.Take();
  REQUIRE_THAT(Rig::Items(live).at("live.json"), Catch::Contains("is not a regular file"));
}

TEST_CASE("haproxy live state: a socket with a full queue is not waited for forever") {
  Rig rig;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = rig.Path("s");
  REQUIRE(path.size() < sizeof address.sun_path);
  std::ranges::copy(path, address.sun_path);
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  const Fd listener(::socket(AF_UNIX, SOCK_STREAM, 0));
  REQUIRE(::bind(listener.get(), name, sizeof address) == 0);
  REQUIRE(::listen(listener.get(), 0) == 0);
  std::vector<Fd> waiting;
  do {
    waiting.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  } while (::connect(waiting.back().get(), name, sizeof address) == 0);
  REQUIRE(errno == EAGAIN);
  REQUIRE_FAILS(ConnectSocket(path, std::chrono::milliseconds(20)), ErrorCode::kTimedOut,
                "HAProxy accepted no connection for 20ms");
}

TEST_CASE("haproxy live state: a listener that is not HAProxy is reported") {
  Rig rig;
  FakeHaproxy other(rig.Path("s"), {});
  const Manifest manifest = Rig::Describe(rig.Take());
  REQUIRE_THAT(manifest.missing.at(0).reason,
               Catch::Contains("does not answer like HAProxy 1.9 or newer:"));
  REQUIRE(manifest.details.at("live") == std::vector<std::string>{"missing"});
}

TEST_CASE("haproxy live state: a reload during the reads restarts them") {
  Rig rig;
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);
  int calls = 0;
  SECTION("once") {
    haproxy.SetRaw("show info", [&] { return Rig::Info(++calls == 1 ? 6 : 7) + "\n"; });
    LiveState live = rig.Take();
    REQUIRE(Rig::Items(live).at("1/info") == Rig::Info(7));
    REQUIRE(calls == 4);
  }
  SECTION("HAProxy was reloaded repeatedly while its state was read") {
    haproxy.SetRaw("show info", [&] { return Rig::Info(++calls) + "\n"; });
    LiveState live = rig.Take();
    REQUIRE_THAT(Rig::Describe(live).missing.at(0).reason,
                 Catch::Contains("HAProxy was reloaded repeatedly while its state was read"));
    REQUIRE(Rig::Items(live).empty());
    REQUIRE(calls == 6);
  }
}

TEST_CASE("haproxy live state: an incomplete answer is not used") {
  Rig rig;
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);
  SECTION("it is cut off") {
    haproxy.SetRaw("show map #3", [] { return std::string("0x1 k 1\n0x2 l"); });
    REQUIRE_THAT(Rig::Describe(rig.Take()).missing.at(0).reason,
                 Catch::Contains("\"show map #3\" ended early"));
  }
  SECTION("it is cut off between two lines") {
    haproxy.SetRaw("show map #3", [] { return std::string("0x1 k 1\n"); });
    REQUIRE_THAT(Rig::Describe(rig.Take()).missing.at(0).reason, Catch::Contains("ended early"));
  }
  SECTION("a line never ends") {
    haproxy.Set("show map #3", "0x1 " + std::string(RuntimeApi::kLineBytesMax + 1, 'x') + "\n");
    REQUIRE_THAT(Rig::Describe(rig.Take()).missing.at(0).reason,
                 Catch::Contains("a line is longer than"));
  }
  SECTION("it is over the size limit") {
    haproxy.Set("show info", std::string(2U << 20, '\n'));
    REQUIRE_THAT(Rig::Describe(rig.Take()).missing.at(0).reason, Catch::Contains("is larger than"));
  }
}

TEST_CASE("haproxy live state: each of the master's workers is saved") {
  Rig rig;
  FakeHaproxy::Answers answers = {{"show proc",
                                   "#<PID> <type>\n1 master\n# workers\n7 worker 0\n8 worker 0\n"
                                   "# old workers\n9 worker 1\n"}};
  for (const auto& [question, answer] : rig.answers)
    for (const char* worker : {"@!7 ", "@!8 "}) answers[worker + question] = answer;
  answers["@!8 show info"] = Rig::Info(8);
  answers["@!8 show map #3"] = "0x1 k 1\n";
  FakeHaproxy haproxy(rig.Path("s"), answers);

  LiveState live = rig.Take();

  REQUIRE(live.drift().size() == 1);
  const auto items = Rig::Items(live);
  REQUIRE(items.at("1/info") == Rig::Info(7));
  REQUIRE(items.at("2/info") == Rig::Info(8));
  REQUIRE(items.at("1/maps" + rig.Path("a.map")) == "k 1\nl 2\n");
  REQUIRE(items.at("2/maps" + rig.Path("a.map")) == "k 1\n");
  REQUIRE(json::parse(items.at("live.json"))["master"] == true);

  haproxy.SetRaw("@!8 show map", [] {
    return std::string("Can't find the target PID matching the prefix '@!8'\n");
  });
  REQUIRE_THAT(Rig::Describe(rig.Take()).missing.at(0).reason,
               Catch::Contains("worker 8 has ended"));
}

TEST_CASE("haproxy live state: a forbidden socket, a stop, and a hostile name are reported") {
  Rig rig;
  rig.answers["show map"] = "3 (/) pattern. curr_ver=0\n";
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);
  REQUIRE_THAT(Rig::Describe(rig.Take()).missing.at(0).reason,
               Catch::Contains("the name of an object in HAProxy cannot be saved:"));

  std::stop_source stop;
  stop.request_stop();
  REQUIRE_FAILS(
      LiveState::Take(
          {.settings = &rig.settings, .state_dir = rig.Path("state"), .clock = &rig.clock},
          stop.get_token()),
      ErrorCode::kCancelled, "");

  rig.settings.socket = rig.Path(std::string(200, 'x'));
  REQUIRE_THAT(Rig::Describe(rig.Take()).missing.at(0).reason, Catch::Contains("is too long"));
}

TEST_CASE(
    "haproxy live state: one file under two names is two maps, and a virtual one is no file") {
  Rig rig;
  rig.settings.directory = rig.directory.path();
  rig.answers["show map"] = "3 (" + rig.Path("a.map") + ") pattern. curr_ver=0\n" +
                            "4 (a.map) pattern. curr_ver=0\n5 (virt@a/b) pattern. curr_ver=0\n";
  rig.answers["show map #4"] = "0x1 k 1\n0x2 l 2\n";
  rig.answers["show map #5"] = "0x1 v 1\n";
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);
  LiveState live = rig.Take();
  const auto items = Rig::Items(live);
  REQUIRE(items.contains("1/maps" + rig.Path("a.map")));
  REQUIRE(items.contains("1/maps" + rig.Path("a.map") + "#4"));
  REQUIRE(items.at("1/maps/virt@a%2Fb") == "v 1\n");
  REQUIRE(live.drift().empty());
}

}  // namespace
}  // namespace holdfast::haproxy
