#include "agent/sources/kafka/log_directory.h"

#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast::kafka {
namespace {

using testing::AsNobody;
using testing::Unwrap;
using testing::WriteText;

constexpr std::string_view kMeta =
    "version=1\nnode.id=7\ncluster.id=VGuvIhlUEgDnaLPNNs9ZsQ\ndirectory.id=L_zS8FWIKQ8sSCIc4-"
    "fKmw\n";

struct Directories {
  Directories() {
    for (const std::string& path : paths) {
      REQUIRE_OK(MakeDirectories(path));
      WriteText(path + "/meta.properties", kMeta);
    }
  }
  // Creates a partition's directory and returns its path.
  std::string Add(std::size_t which, const std::string& name) const {
    const std::string path = paths[which] + "/" + name;
    REQUIRE_OK(MakeDirectories(path));
    return path;
  }

  TempDir top = Unwrap(TempDir::Create("kafka-log-dirs"));
  std::vector<std::string> paths = {top.path() + "/data-1", top.path() + "/data-2"};
};

std::vector<std::string> NamesOf(const LogDirectories& logs) {
  std::vector<std::string> names;
  for (const PartitionDirectory& entry : logs.partitions())
    names.push_back(fmt::format("{} {}", entry.name.topic, entry.name.partition));
  return names;
}

TEST_CASE("log directories: they contain the broker's id and its partitions") {
  Directories directories;
  directories.Add(1, "orders-10");
  directories.Add(0, "orders-2");
  directories.Add(0, "a-b-0");
  directories.Add(0, "__cluster_metadata-0");
  directories.Add(1, "orders-1.a9d3b7c8e1f54d6db2c1e0f9a8b7c6d5-delete");
  WriteText(directories.paths[0] + "/file-0", "");

  const LogDirectories logs = LogDirectories::Open(directories.paths);

  REQUIRE(logs.broker_id() == 7);
  REQUIRE(logs.cluster_id() == "VGuvIhlUEgDnaLPNNs9ZsQ");
  REQUIRE(logs.is_kraft());
  REQUIRE(NamesOf(logs) == std::vector<std::string>{"a-b 0", "orders 2", "orders 10"});
  REQUIRE(logs.Find("orders", 10)->path == directories.paths[1] + "/orders-10");
  REQUIRE(logs.Find("orders", 1) == nullptr);
  REQUIRE(logs.missing().empty());
}

TEST_CASE("log directories: a partition's directory has its topic's id and its leader epochs") {
  Directories directories;
  const std::string path = directories.Add(0, "orders-0");
  directories.Add(0, "orders-1");
  WriteText(path + "/partition.metadata", "version: 0\ntopic_id: RbuwiR-FRg6IW9NkrCIH7w");
  WriteText(path + "/leader-epoch-checkpoint", "0\n2\n0 0\n2 1001\n");
  const LogDirectories logs = LogDirectories::Open(directories.paths);

  REQUIRE(Unwrap(logs.TopicId("orders", 0)) == "RbuwiR-FRg6IW9NkrCIH7w");
  REQUIRE(Unwrap(logs.Epochs("orders", 0)) == std::vector<EpochStart>{{0, 0}, {2, 1001}});
  for (const std::int32_t partition : {1, 2}) {
    REQUIRE_FALSE(Unwrap(logs.TopicId("orders", partition)));
    REQUIRE(Unwrap(logs.Epochs("orders", partition)).empty());
  }
  WriteText(path + "/partition.metadata", "version: 0\n");
  WriteText(path + "/leader-epoch-checkpoint", std::string((1U << 20) + 1, '0'));
  REQUIRE_FAILS(logs.TopicId("orders", 0), ErrorCode::kCorrupt, "orders-0/partition.metadata");
  REQUIRE_FAILS(logs.Epochs("orders", 0), ErrorCode::kCorrupt, "larger than");
}

TEST_CASE("log directories: an unreadable directory is named, and the others are read") {
  Directories directories;
  directories.Add(0, "orders-0");
  directories.Add(1, "orders-1");
  SECTION("it does not exist") { REQUIRE_OK(RemoveTree(directories.paths[1])); }
  SECTION("its permissions") { REQUIRE(chmod(directories.paths[1].c_str(), 0) == 0); }
  REQUIRE(chmod(directories.top.path().c_str(), 0755) == 0);
  const bool is_said = AsNobody([&] {
    const LogDirectories logs = LogDirectories::Open(directories.paths);
    return logs.missing().size() == 2 &&
           logs.missing()[0].what == directories.paths[1] + "/meta.properties" &&
           logs.missing()[1].what == directories.paths[1] && !logs.missing()[1].remedy.empty() &&
           logs.broker_id() == 7 && NamesOf(logs) == std::vector<std::string>{"orders 0"};
  });
  (void)chmod(directories.paths[1].c_str(), 0700);  // so that it can be removed
  REQUIRE(is_said);
}

TEST_CASE("log directories: those of another broker are named") {
  Directories directories;
  WriteText(directories.paths[1] + "/meta.properties", "version=1\nnode.id=8\n");
  const LogDirectories logs = LogDirectories::Open(directories.paths);
  REQUIRE(logs.missing().size() == 1);
  REQUIRE_THAT(logs.missing()[0].reason, Catch::Contains("of broker 8"));
  REQUIRE(logs.broker_id() == 7);
}

TEST_CASE("log directories: a partition in two of them counts once") {
  Directories directories;
  directories.Add(1, "orders-0");
  directories.Add(0, "orders-0");
  const LogDirectories logs = LogDirectories::Open(directories.paths);
  REQUIRE(NamesOf(logs) == std::vector<std::string>{"orders 0"});
  REQUIRE(logs.Find("orders", 0)->path == directories.paths[0] + "/orders-0");
}

}  // namespace
}  // namespace holdfast::kafka
