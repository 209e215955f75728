#include "agent/sources/member/kingpin_process.h"

#include <unistd.h>

#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/fake_processes.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::Unwrap;
using testing::WriteText;

struct Machine {
  Machine() {
    places.etc_root = top.path();
    REQUIRE_OK(MakeDirectories(places.proc));
    REQUIRE_OK(MakeDirectories(top.path() + "/run-dir/data"));
    REQUIRE_OK(MakeDirectories(top.path() + "/etc/default"));
    REQUIRE_OK(MakeDirectories(top.path() + "/etc/systemd/system"));
    WriteText(top.path() + "/etc/default/prometheus", "ARGS=\n");
    WriteText(top.path() + "/etc/systemd/system/prometheus.service", "[Service]\n");
  }
  void Run(int pid, const std::vector<std::string>& command) const {
    const std::string proc = fmt::format("{}/{}", places.proc, pid);
    REQUIRE_OK(MakeDirectories(proc));
    WriteText(proc + "/cmdline", testing::FakeProcesses::WithNuls(command));
    WriteText(proc + "/cgroup", "0::/system.slice/prometheus.service\n");
    REQUIRE(::symlink((top.path() + "/run-dir").c_str(), (proc + "/cwd").c_str()) == 0);
  }
  KingpinQuery Query() const {
    return {.programs = {"prometheus"},
            .storage_flags = {"storage.tsdb.path", "storage.agent.path"},
            .storage_defaults = {"data"},
            .storage = top.path() + "/run-dir/data/",
            .defaults = {"/etc/default/prometheus"}};
  }
  TempDir top = Unwrap(TempDir::Create("server-process"));
  host::Places places{top.path() + "/proc", ""};
};

TEST_CASE("server process: the one with this data directory is found, with its start files") {
  Machine machine;
  const std::string& top = machine.top.path();
  machine.Run(9, {"/bin/prometheus", "--storage.tsdb.path=/elsewhere"});
  machine.Run(10, {"/usr/bin/prometheus", "--config.file=../etc/p.yml", "--storage.tsdb.path",
                   "./data", "--web.enable-lifecycle"});
  machine.Run(11, {"bash", "prometheus"});
  const KingpinProcess process = Unwrap(FindKingpinProcess(machine.Query(), machine.places));
  REQUIRE(process.command[1] == "--config.file=../etc/p.yml");
  REQUIRE(process.PathOf("config.file") == top + "/etc/p.yml");
  REQUIRE(process.PathOf("web.config.file").empty());
  REQUIRE(process.unit == "prometheus.service");
  REQUIRE(process.files ==
          std::vector<std::string>{top + "/etc/default/prometheus",
                                   top + "/etc/systemd/system/prometheus.service"});
  REQUIRE_THAT(process.Encode(), Catch::Contains("--web.enable-lifecycle"));
}

TEST_CASE("server process: without a flag the default directory counts") {
  Machine machine;
  machine.Run(10, {"prometheus"});
  REQUIRE_OK(FindKingpinProcess(machine.Query(), machine.places));
}

TEST_CASE("server process: if no server is found, the error lists the processes found") {
  Machine machine;
  REQUIRE_FAILS(FindKingpinProcess(machine.Query(), machine.places), ErrorCode::kNotFound,
                "no prometheus runs here");
  machine.Run(9, {"/bin/prometheus", "--storage.agent.path=/elsewhere"});
  REQUIRE_FAILS(FindKingpinProcess(machine.Query(), machine.places), ErrorCode::kNotFound,
                "not process 9");
}

}  // namespace
}  // namespace holdfast
