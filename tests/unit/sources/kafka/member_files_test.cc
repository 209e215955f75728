#include "agent/sources/kafka/member_files.h"

#include "agent/sources/kafka/record_batch.h"
#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/fake_processes.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/file_trees.h"
#include "tests/support/manual_clock.h"

namespace holdfast::kafka {
namespace {

using testing::Unwrap;
using testing::WriteText;

// A node with a broker's directory, without its process.
struct Node {
  Node() {
    REQUIRE_OK(MakeDirectories(log_dir));
    context.places = testing::EmptyHost(top.path());
    WriteText(log_dir + "/meta.properties", "version=1\nnode.id=1\n");
    WriteText(log_dir + "/bootstrap.checkpoint", "x");
    context.node = "n1";
    context.clock = &clock;
  }
  void AddMetadataLog(const std::string& above) const {
    REQUIRE_OK(MakeDirectories(above + "/__cluster_metadata-0"));
    BatchEncoder encoder;
    REQUIRE(encoder.Add({}));
    WriteText(above + "/__cluster_metadata-0/00000000000000000000.log", AsText(encoder.Finish()));
  }
  // Adds a process with `more` in its configuration, in addition to the log directory.
  void AddProcess(const std::string& more) const {
    const std::string proc = context.places.proc + "/7";
    REQUIRE_OK(MakeDirectories(proc));
    WriteText(config, fmt::format("log.dirs={}\n{}\n", log_dir, more));
    WriteText(proc + "/cmdline",
              testing::FakeProcesses::WithNuls(
                  {"java", "-cp", "/libs/kafka_2.13-3.9.1.jar", "kafka.Kafka", config}));
    WriteText(proc + "/environ", "");
  }
  // Saves everything, and returns the manifest.
  Manifest Save(testing::FakeSnapshotView& view, SnapshotView* previous = nullptr) {
    auto files = Unwrap(
        BrokerFiles::Prepare(context, options, LogDirectories::Open(options.log_dirs), previous));
    has_metadata_log = files.has_metadata_log();
    bytes = files.bytes();
    while (auto item = Unwrap(files.Next())) {
      order.push_back(item->path);
      REQUIRE_OK(view.Add(*std::move(item), static_cast<testing::FakeSnapshotView*>(previous)));
    }
    Manifest manifest;
    warnings.clear();
    files.Describe(manifest, warnings);
    return manifest;
  }

  TempDir top = Unwrap(TempDir::Create("kafka-member"));
  std::string log_dir = top.path() + "/data";
  std::string config = top.path() + "/server.properties";
  testing::ManualClock clock;
  SourceContext context;
  BrokerFilesOptions options{.files = {}, .log_dirs = {log_dir}};
  std::vector<std::string> order;
  std::vector<std::string> warnings;
  bool has_metadata_log = false;
  std::uint64_t bytes = 0;
};

TEST_CASE("kafka member: saves its files, the KRaft log and its start configuration") {
  Node node;
  node.AddMetadataLog(node.log_dir);
  node.AddProcess("");
  testing::FakeSnapshotView view;

  const Manifest manifest = node.Save(view);

  for (const std::string& file :
       {node.log_dir + "/meta.properties", node.log_dir + "/bootstrap.checkpoint", node.config})
    REQUIRE(view.nodes.contains("members/n1/files" + file));
  REQUIRE(node.order.back() == "members/n1/process.json");
  REQUIRE(view.nodes.contains("members/n1/cluster_metadata/00000000000000000000.log"));
  REQUIRE_FALSE(view.nodes.contains("members/n1/files" + node.log_dir + "/__cluster_metadata-0"));
  REQUIRE(manifest.missing.empty());
  REQUIRE(manifest.identity.at("server_version") == "3.9.1");
  REQUIRE(manifest.details.at("cluster_metadata") ==
          std::vector<std::string>{node.log_dir + "/__cluster_metadata-0"});
  REQUIRE(manifest.details.at("cluster_metadata_end") == std::vector<std::string>{"1"});
  REQUIRE(node.has_metadata_log);
  REQUIRE(node.warnings.empty());
  REQUIRE(node.bytes > 61);
}

TEST_CASE("kafka member: the KRaft log is found in its directory, or missing") {
  Node node;
  const std::string elsewhere = node.top.path() + "/metadata";
  node.AddMetadataLog(elsewhere);
  WriteText(elsewhere + "/meta.properties", "version=1\nnode.id=1\n");
  bool is_found = true;
  SECTION("named by the broker's configuration") {
    node.AddProcess("metadata.log.dir=" + elsewhere);
  }
  SECTION("named by the settings") { node.options.files = {elsewhere + "/"}; }
  SECTION("the log itself named by the settings") {
    node.options.files = {elsewhere + "/__cluster_metadata-0"};
  }
  SECTION("named nowhere") { is_found = false; }
  testing::FakeSnapshotView view;
  const Manifest manifest = node.Save(view);
  REQUIRE(node.has_metadata_log == is_found);
  REQUIRE(view.nodes.contains("members/n1/cluster_metadata/00000000000000000000.log") == is_found);
  REQUIRE_FALSE(view.nodes.contains("members/n1/files" + elsewhere + "/__cluster_metadata-0"));
  REQUIRE(view.nodes.contains("members/n1/files" + elsewhere + "/meta.properties") == is_found);
  if (is_found) {
    REQUIRE(manifest.missing.empty());
  } else {
    REQUIRE(manifest.missing.size() == 1);
    REQUIRE(manifest.missing[0].what == "__cluster_metadata-0");
    REQUIRE_THAT(manifest.missing[0].remedy, Catch::Contains("metadata.log.dir"));
  }
}

TEST_CASE("kafka member: with ZooKeeper no KRaft log is missing") {
  Node node;
  WriteText(node.log_dir + "/meta.properties", "version=0\nbroker.id=1\n");
  testing::FakeSnapshotView view;
  REQUIRE(node.Save(view).missing.empty());
  REQUIRE_FALSE(node.has_metadata_log);
  REQUIRE(node.warnings.size() == 1);
  REQUIRE_THAT(node.warnings[0], Catch::Contains("no broker runs here"));
}

TEST_CASE("kafka member: without log directories only the configured files are saved") {
  Node node;
  node.options.log_dirs.clear();
  testing::FakeSnapshotView view;
  REQUIRE(node.Save(view).missing.empty());
  REQUIRE(node.order.empty());
  REQUIRE(node.warnings.empty());
  node.options.files = {node.log_dir + "/bootstrap.checkpoint"};
  node.Save(view);
  REQUIRE(node.order.back() == "members/n1/files" + node.log_dir + "/bootstrap.checkpoint");
}

TEST_CASE("kafka member: unchanged files are not read again") {
  Node node;
  testing::SetTime(node.log_dir + "/meta.properties", 1'000'000);
  testing::FakeSnapshotView first;
  Manifest manifest = node.Save(first);
  manifest.cut_time = SystemClock().Now() + std::chrono::hours(1);
  first.the_manifest = manifest;
  testing::FakeSnapshotView second;
  node.Save(second, &first);
  REQUIRE(second.files_reused == 2);
  REQUIRE(second.files_read == 0);
}

}  // namespace
}  // namespace holdfast::kafka
