#include "agent/sources/zookeeper/server_process.h"

#include <algorithm>

#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/fake_processes.h"
#include "tests/unit/sources/zookeeper/data_directory.h"

namespace holdfast::zookeeper {
namespace {

using testing::DataDirectory;
using testing::FakeProcesses;
using testing::Unwrap;

}  // namespace

TEST_CASE("zookeeper process: the server started with this configuration is found") {
  DataDirectory data;
  const std::string proc = data.top() + "/proc";
  const std::string config = data.top() + "/zoo.cfg";
  const std::string jaas = data.top() + "/jaas.conf";
  for (const std::string& file : {config, jaas})
    REQUIRE_OK(WriteFileAtomic(file, AsBytes("x"), 0600));
  const auto add = [&](const std::string& id, const std::vector<std::string>& command) {
    REQUIRE_OK(MakeDirectories(proc + "/" + id));
    REQUIRE_OK(WriteFileAtomic(proc + "/" + id + "/cmdline",
                               AsBytes(FakeProcesses::WithNuls(command)), 0600));
    REQUIRE_OK(WriteFileAtomic(
        proc + "/" + id + "/environ",
        AsBytes(FakeProcesses::WithNuls(
            {"HOME=/root", "ZOO_LOG_DIR=/var/log/zookeeper", "SERVER_JVMFLAGS=-Xmx1g"})),
        0600));
  };
  const std::string main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
  const host::Places places{.proc = proc, .etc_root = data.top() + "/root"};
  REQUIRE_OK(MakeDirectories(proc));
  REQUIRE_FAILS(FindServerProcess(config, data.path(), places), ErrorCode::kNotFound, "no server");

  add("7", {"vi", config});
  add("8", {"java", main, "/elsewhere/zoo.cfg"});
  add("9", {"java", "-cp", "/lib/netty-4.jar:/lib/zookeeper-3.9.4.jar",
            "-Djava.security.auth.login.config=" + jaas, "-Dzookeeper.x=/not/there",
            "-Dzookeeper.ssl.keyStore.location=/not/there/keys", main, config});
  REQUIRE_OK(MakeDirectories(places.etc_root + "/etc/default"));
  REQUIRE_OK(WriteFileAtomic(places.etc_root + "/etc/default/zookeeper", AsBytes("x"), 0600));
  const ServerProcess process = Unwrap(FindServerProcess(config, data.path(), places));
  REQUIRE(process.config == config);
  REQUIRE(process.version == "3.9.4");
  REQUIRE(process.environment ==
          std::map<std::string, std::string>{{"SERVER_JVMFLAGS", "-Xmx1g"},
                                             {"ZOO_LOG_DIR", "/var/log/zookeeper"}});
  std::vector<std::string> files = {jaas, "/not/there/keys",
                                    places.etc_root + "/etc/default/zookeeper"};
  std::ranges::sort(files);
  REQUIRE(process.files == files);
  REQUIRE_THAT(process.Encode(), Catch::Contains("\"format_version\": 1"));
}

}  // namespace holdfast::zookeeper
