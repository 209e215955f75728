#include "agent/jobs/backup/discover_job.h"

#include "agent/sources/registry/all_sources.h"
#include "tests/support/catch.h"
#include "tests/support/fake_processes.h"

namespace holdfast::jobs {
namespace {

using testing::FakeProcesses;
using testing::Unwrap;

DiscoveryReport Discover(const FakeProcesses& machine, const AgentSettings* settings) {
  JobContext context;
  context.kinds = &AllSourceKinds();
  context.settings = settings;
  return Unwrap(RunDiscovery(context, machine.places()));
}

AgentSettings Configured(const std::string& text) {
  return Unwrap(ParseSettings(text, "/etc/agent.yaml", {}, SchemasOf(AllSourceKinds())));
}

constexpr const char* kOneRepository =
    "repositories:\n  main: {url: \"file:/r\", password_file: /p}\n";

FakeProcesses Machine() {
  FakeProcesses machine;
  machine.Run({.pid = 2, .command = {"haproxy", "-Ws", "-f", "/a.cfg", "-p", "/run/h.pid"}});
  machine.Run({.pid = 3, .command = {"etcd", "--listen-client-urls=http://127.0.0.1:1"}});
  machine.Run({.pid = 4, .command = {"etcd", "--listen-client-urls=http://127.0.0.1:2"}});
  machine.Run({.pid = 5, .command = {"sleep", "1"}});
  return machine;
}

TEST_CASE("discovery job: each service gets a unique name within its kind") {
  const FakeProcesses machine = Machine();
  const DiscoveryReport report = Discover(machine, nullptr);
  REQUIRE(report.sweep.processes == 4);
  REQUIRE(report.services.size() == 3);
  REQUIRE(report.services[0].line ==
          "- {kind: etcd, name: main, endpoints: [\"http://127.0.0.1:1\"]}");
  REQUIRE(report.services[1].line ==
          "- {kind: etcd, name: main-2, endpoints: [\"http://127.0.0.1:2\"]}");
  REQUIRE(report.services[2].kind == "haproxy");
  REQUIRE(report.services[2].process == 2);
  for (const FoundService& service : report.services) REQUIRE_FALSE(service.is_configured);
}

TEST_CASE("discovery job: configured services are recognized, and their names are taken") {
  const FakeProcesses machine = Machine();
  const AgentSettings settings =
      Configured(std::string(kOneRepository) +
                 "sources:\n  - {kind: etcd, name: main, endpoints: [\"http://10.0.0.9:2\", "
                 "\"http://localhost:2\"]}\n");
  const DiscoveryReport report = Discover(machine, &settings);
  REQUIRE(report.services.at(0).name == "main-2");
  REQUIRE_FALSE(report.services[0].is_configured);
  REQUIRE(report.services.at(1).name == "main");
  REQUIRE(report.services[1].is_configured);
  REQUIRE(report.services.at(2).name == "main");
  REQUIRE_FALSE(report.services[2].is_configured);
}

TEST_CASE("discovery job: a line names a repository if there are several") {
  const FakeProcesses machine = Machine();
  const AgentSettings settings =
      Configured(std::string(kOneRepository) + "  more: {url: \"file:/s\", password_file: /p}\n");
  const DiscoveryReport report = Discover(machine, &settings);
  REQUIRE_THAT(report.services.at(0).line, Catch::StartsWith("- {kind: etcd, name: main, "
                                                             "repository: main, "));
  REQUIRE_THAT(report.services[0].notes.at(0), Catch::Contains("several repositories"));
}

TEST_CASE("discovery job: a container's files are not this host's") {
  FakeProcesses machine;
  machine.Write("root/etc/c/h.cfg", "");
  machine.Run({.pid = 2,
               .command = {"haproxy", "-Ws", "-f", "/etc/c/h.cfg", "-p", "/run/h.pid"},
               .root = machine.top() + "/root"});
  const DiscoveryReport report = Discover(machine, nullptr);
  REQUIRE_THAT(report.services.at(0).notes.back(),
               Catch::Contains("it runs in a container") && Catch::Contains(": /etc/c/h.cfg;"));
}

TEST_CASE("discovery job: stops on request") {
  const FakeProcesses machine = Machine();
  JobContext context;
  context.kinds = &AllSourceKinds();
  std::stop_source stop;
  stop.request_stop();
  context.stop = stop.get_token();
  REQUIRE_FAILS(RunDiscovery(context, machine.places()), ErrorCode::kCancelled, "");
}

}  // namespace
}  // namespace holdfast::jobs
