#include "controller/daemon/settings.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

using namespace holdfast;
using namespace holdfast::controller;
using holdfast::testing::Unwrap;

namespace {

constexpr std::string_view kLeast = R"(cluster: prod
bus: {endpoint: "tcp://backup-1:7733"}
join: {endpoint: "tcp://backup-1:7734"}
)";
constexpr const char* kFile = "/etc/holdfast/controller.yaml";

Result<ControllerSettings> Parse(std::string_view text,
                                 const config::Environment& environment = {}) {
  return ParseControllerSettings(text, kFile, environment);
}

}  // namespace

TEST_CASE("controller settings: omitted options have defaults") {
  ControllerSettings settings = Unwrap(Parse(kLeast));

  CHECK(settings.cluster == "prod");
  CHECK(settings.state_dir == "/var/lib/holdfast/controller");
  CHECK(settings.root_file == "/etc/holdfast/root.holdfast");
  CHECK(settings.signing_key_file == "/etc/holdfast/controller.key");
  CHECK(settings.bus.listen == "tcp://*:7733");
  CHECK(settings.bus.endpoint == "tcp://backup-1:7733");
  CHECK(settings.bus_key_file == "/etc/holdfast/bus.curve");
  CHECK(settings.join.listen == "tcp://*:7734");
  CHECK(settings.admin_socket == "/run/holdfast/controller.sock");
  CHECK(settings.admin_listen.empty());
  CHECK(settings.admin_catalog_dir == "/var/lib/holdfast/controller/copies");
  for (const AdminRight right : kGrantedRights) {
    CHECK_FALSE(settings.admin_rights.Has(AdminRightName(right)));
  }
  CHECK(settings.cut_barrier == std::chrono::seconds(2));
  CHECK(settings.warnings.empty());
}

TEST_CASE("controller settings: every option can be set, and overridden by the environment") {
  ControllerSettings settings = Unwrap(Parse(R"(
cluster: prod
state_dir: state
root_file: ${CREDENTIALS_DIRECTORY}/root
bus: {listen: "tcp://10.0.0.1:1733", endpoint: "tcp://backup-1:1733", key_file: keys/bus}
join: {endpoint: "tcp://backup-1:1734"}
admin:
  socket: controller.sock
  group: ops
  listen: "tcp://*:7735"
  operators: {anna: "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"}
  catalog_dir: copies
  rights: {agents: ["user:anna", "group:4711"], trust: "operator:anna"}
backup: {cut_barrier_s: 5, saves_at_once: 3, saves_per_minute: 7, run_deadline_hours: 2}
)",
                                             {{"HOLDFAST_BUS_LISTEN", "tcp://*:2733"},
                                              {"HOLDFAST_BACKUP_SAVES_AT_ONCE", "4"},
                                              {"CREDENTIALS_DIRECTORY", "/run/c"},
                                              {"HOLDFAST_BUZZ", "1"}}));

  CHECK(settings.state_dir == "/etc/holdfast/state");
  CHECK(settings.root_file == "/run/c/root");
  CHECK(settings.bus.listen == "tcp://*:2733");
  CHECK(settings.bus_key_file == "/etc/holdfast/keys/bus");
  CHECK(settings.admin_socket == "/etc/holdfast/controller.sock");
  CHECK(settings.admin_group == "ops");
  CHECK(settings.admin_operators.contains("anna"));
  CHECK(settings.admin_catalog_dir == "/etc/holdfast/copies");
  CHECK(settings.admin_rights.List("agents") ==
        std::vector<std::string>{"user:anna", "group:4711"});
  CHECK(settings.admin_rights.List("trust") == std::vector<std::string>{"operator:anna"});
  CHECK_FALSE(settings.admin_rights.Has("catalog"));
  CHECK(settings.cut_barrier == std::chrono::seconds(5));
  CHECK(settings.saves_at_once == 4);
  CHECK(settings.saves_per_minute == 7);
  CHECK(settings.run_deadline == std::chrono::hours(2));
  REQUIRE(settings.warnings.size() == 1);
  CHECK_THAT(settings.warnings[0], Catch::Contains("HOLDFAST_BUZZ"));
}

TEST_CASE("controller settings: every mistake has its location") {
  auto refused = [](std::string_view text, const char* part) {
    REQUIRE_FAILS(Parse(text), ErrorCode::kInvalidArgument, part);
  };
  const std::string least(kLeast);
  refused("", "\"cluster\"");
  refused("cluster: prod\n", "\"endpoint\"");
  refused(least + "clutser: x\n", "controller.yaml:4:1");
  refused(least + "admin: {sockets: x}\n", "controller.yaml:4:9");
  refused(least + "admin: [x]\n", "controller.yaml:4:8");
  refused(least + "admin: {listen: \"tcp://*:7735\", operators: {anna: short}}\n",
          "key of \"anna\"");
  refused(least + "admin: {operators: {}}\nbackup: {cut_barrier_s: 61}\n", "controller.yaml:5:25");
  refused("cluster: p\nbus: {endpoint: \"udp://x:1\"}\njoin: {endpoint: \"tcp://x:1\"}\n",
          "controller.yaml:2:17: \"endpoint\" is \"udp://x:1\"; expected \"tcp://HOST:PORT\"");
  refused("cluster: p\nbus: {endpoint: \"tcp://*:1\"}\njoin: {endpoint: \"tcp://x:1\"}\n",
          "other hosts reach it");
  refused(least + "admin: {operators: {anna: \"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\"}}\n",
          "\"operators\" needs \"listen\"");
  refused(least + "admin: {rights: {backup: [user:a]}}\n", "controller.yaml:4:18");
  refused(least + "admin: {rights: {agents: [anna]}}\n",
          "controller.yaml:4:26: \"anna\"; expected");
  refused(least + "admin: {rights: {agents: [\"group:\"]}}\n", "expected \"user:NAME\"");
  refused(least + "admin: {rights: {trust: [operator:anna]}}\n",
          "controller.yaml:4:25: \"anna\" is not one of \"operators\"");
  refused(least + "admin: {rights: [user:anna]}\n", "controller.yaml:4:17");
  REQUIRE_FAILS(LoadControllerSettings("/nowhere/controller.yaml", {}), ErrorCode::kInvalidArgument,
                "--config FILE");
}
