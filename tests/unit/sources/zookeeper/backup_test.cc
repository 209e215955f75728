// The source on a directory without a server, as if the server is down.
#include "agent/sources/zookeeper/backup.h"

#include "agent/sources/zookeeper/zookeeper.h"
#include "common/base/format.h"
#include "tests/contract/source_contract.h"
#include "tests/support/catch.h"
#include "tests/support/fake_processes.h"
#include "tests/support/seeded_random.h"
#include "tests/unit/sources/zookeeper/data_directory.h"

namespace holdfast::zookeeper {
namespace {

using testing::DataDirectory;
using testing::TakenSnapshot;
using testing::Unwrap;

class Cold {
 public:
  explicit Cold(const std::string& version = "39") {
    data.CopyReal(version);
    REQUIRE_OK(WriteFileAtomic(data.path() + "/myid", AsBytes("2\n"), 0600));
    data.Write("currentEpoch", AsBytes("0"));
    data.Write("acceptedEpoch", AsBytes("1"));
    // Nothing listens on port 1.
    REQUIRE_OK(WriteFileAtomic(
        config, AsBytes(fmt::format("dataDir={}\nclientPort=1\n", data.path())), 0600));
  }

  std::unique_ptr<Source> Open() {
    SourceContext context;
    context.kind = "zookeeper";
    context.name = "main";
    context.node = "node";
    context.state_dir = data.top() + "/state";
    context.clock = &clock;
    context.random = &random;
    context.places = testing::EmptyHost(data.top());
    config::Values values;
    values.Set("config", config);
    if (!on_missing.empty()) values.Set("on_missing", on_missing);
    return Unwrap(ZooKeeperKind().open(context, values));
  }

  DataDirectory data;
  const std::string config = data.top() + "/zoo.cfg";
  std::string on_missing;
  SystemClock clock;
  testing::SeededRandom random;
};

}  // namespace

TEST_CASE("zookeeper: the files of a stopped server are saved, and the snapshot says so") {
  Cold cold;
  TakenSnapshot taken;
  testing::TakeSnapshot(*Unwrap(cold.Open()->OpenBackup({})), taken);
  const Manifest& manifest = *taken.view.the_manifest;
  REQUIRE(taken.order.at(2) == "data/version-2/snapshot.2a");
  REQUIRE(manifest.position == std::map<std::string, std::string>{
                                   {"zxid", "0x38"}, {"epoch", "0"}, {"snapshot_zxid", "0x2a"}});
  REQUIRE(manifest.details.at("service") == std::vector<std::string>{"cold"});
  REQUIRE_THAT(manifest.method, Catch::Contains("cold"));
  REQUIRE(manifest.details.at("znodes") == std::vector<std::string>{"44"});
  REQUIRE(manifest.details.at("digest_confirmed_at") == std::vector<std::string>{"0x38"});
  REQUIRE(manifest.details.at("current_epoch") == std::vector<std::string>{"0"});
  REQUIRE(manifest.details.at("accepted_epoch") == std::vector<std::string>{"1"});
  REQUIRE(manifest.identity.at("ensemble") == "standalone");
  REQUIRE(manifest.missing.empty());
  // The epochs are not saved: no other server could start with them.
  for (const std::string& path : taken.order) REQUIRE_THAT(path, !Catch::EndsWith("Epoch"));
  const Bytes& log = taken.view.nodes.at("data/version-2/log.2b").content;
  REQUIRE(log.size() == testing::RealFile("39/log.2b").size() - 64);
  REQUIRE(taken.view.nodes.contains("members/node/files" + cold.config));
  REQUIRE(taken.view.nodes.contains("members/node/files" + cold.data.path() + "/myid"));
}

TEST_CASE("zookeeper: files that the server left unchanged are reused from the previous snapshot") {
  Cold cold;
  TakenSnapshot first;
  testing::TakeSnapshot(*Unwrap(cold.Open()->OpenBackup({})), first);
  cold.data.Append("log.2b", {});
  TakenSnapshot second;
  testing::TakeSnapshot(*Unwrap(cold.Open()->OpenBackup({.previous = &first.view})), second,
                        &first.view);
  REQUIRE(second.view.files_reused >= 3);
  REQUIRE(second.view.nodes.at("data/version-2/log.1").content ==
          first.view.nodes.at("data/version-2/log.1").content);
  // Another member's snapshot with the same name.
  cold.data.Write("snapshot.2a", testing::RealFile("38/snapshot.2a"));
  TakenSnapshot third;
  testing::TakeSnapshot(*Unwrap(cold.Open()->OpenBackup({.previous = &second.view})), third,
                        &second.view);
  REQUIRE(third.view.nodes.at("data/version-2/snapshot.2a").content ==
          testing::RealFile("38/snapshot.2a"));
  REQUIRE_THAT(third.view.the_manifest->warnings.at(0), Catch::Contains("digest"));
}

TEST_CASE("zookeeper: with a damaged log the manifest has the last good zxid") {
  Cold cold;
  Bytes log = testing::RealFile("39/log.2b");
  log[log.size() / 2] ^= 1;
  cold.data.Write("log.2b", log);
  TakenSnapshot taken;
  testing::TakeSnapshot(*Unwrap(cold.Open()->OpenBackup({})), taken);
  const Manifest& manifest = *taken.view.the_manifest;
  REQUIRE(manifest.missing.size() == 1);
  REQUIRE_THAT(manifest.missing[0].reason,
               Catch::Contains("damaged") &&
                   Catch::Contains("the copy ends at " + manifest.position.at("zxid")));
}

TEST_CASE("zookeeper: a missing file of the configuration is named") {
  Cold cold;
  const std::string keys = cold.data.top() + "/keys";
  REQUIRE_OK(WriteFileAtomic(
      cold.config,
      AsBytes(fmt::format("dataDir={}\nssl.keyStore.location={}\n", cold.data.path(), keys)),
      0600));
  TakenSnapshot taken;
  testing::TakeSnapshot(*Unwrap(cold.Open()->OpenBackup({})), taken);
  REQUIRE(taken.view.the_manifest->missing.size() == 1);
  REQUIRE(taken.view.the_manifest->missing[0].what == keys);
  cold.on_missing = "fail";
  const auto source = cold.Open();
  const auto session = Unwrap(source->OpenBackup({}));
  REQUIRE_FAILS(session->Prepare({}), ErrorCode::kNotFound, "on_missing: warn");
}

TEST_CASE("zookeeper: a stopped server is unhealthy, but its position is known") {
  Cold cold;
  const SourceInfo info = Unwrap(cold.Open()->Probe({}));
  REQUIRE_FALSE(info.healthy);
  REQUIRE_FALSE(info.health.empty());
  REQUIRE(info.identity.at("zxid") == "0x38");
  REQUIRE(info.missing.empty());
}

}  // namespace holdfast::zookeeper
