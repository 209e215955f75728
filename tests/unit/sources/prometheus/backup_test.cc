#include "agent/sources/prometheus/backup.h"

#include <fcntl.h>

#include "agent/sources/prometheus/block_files.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/unit/sources/prometheus/data_directory.h"

namespace holdfast::prometheus {
namespace {

using testing::FakeSnapshotView;
using testing::Unwrap;
using Texts = std::vector<std::string>;

Texts BlockPaths(int number) {
  const std::string top = "data/" + UlidOf(number);
  return {top + "/chunks/000001", top + "/index", top + "/meta.json", top + "/tombstones"};
}

TEST_CASE("prometheus backup: saves blocks, logs from the newest checkpoint on, and nothing else") {
  DataDirectory data;
  FakeSnapshotView view;
  const Manifest manifest = Unwrap(data.Save(view));
  Texts expected = BlockPaths(1);
  for (const std::string& path : BlockPaths(2)) expected.push_back(path);
  for (const char* path : {"data/wal/00000004", "data/wal/00000005",
                           "data/wal/checkpoint.00000003/00000000", "data/wbl/00000000"})
    expected.emplace_back(path);
  REQUIRE(FilesIn(view) == expected);
  REQUIRE(manifest.position.at("wal") == "00000005:9");
  REQUIRE(manifest.position.at("wbl") == "00000000:12");
  REQUIRE(manifest.details.at("state") == Texts{"cold"});
  REQUIRE(manifest.details.at("external_labels") == Texts{"replica=a"});
  REQUIRE(manifest.details.at("remote_writes") == Texts{"1"});
  REQUIRE(manifest.details.at("samples_in_blocks") == Texts{"24"});
  REQUIRE(manifest.details.at("blocks").at(0) ==
          UlidOf(1) +
              " 1970-01-01T00:00:00.1Z to 1970-01-01T00:00:00.2Z, 3 series, 12 samples, "
              "level 1");
  REQUIRE(manifest.missing.empty());
}

// Why the order matters: compaction moves samples from the logs into a block, creates a checkpoint
// and removes the segments. If the blocks were saved before the logs, the samples of segment 4
// would be lost without an error.
TEST_CASE(
    "prometheus backup: samples that compaction moves from the logs into a block are not lost") {
  DataDirectory data;
  FakeSnapshotView view;
  const Manifest manifest = Unwrap(data.Save(view, [&] {
    data.AddBlock(3);
    REQUIRE_OK(MakeDirectories(data.path + "/wal/checkpoint.00000004"));
    data.Write("wal/checkpoint.00000004/00000000", "checkpoint 4");
    data.Remove("wal/00000004");
    data.Remove("wal/checkpoint.00000003");
    data.Remove("wbl/00000000");
  }));
  REQUIRE((view.nodes.contains("data/wal/00000004") ||
           view.nodes.contains("data/" + UlidOf(3) + "/index")));
  REQUIRE(TextIn(view, "data/wal/00000004") == "segment 4");
  REQUIRE(TextIn(view, "data/wal/checkpoint.00000003/00000000") == "checkpoint 3");
  REQUIRE(TextIn(view, "data/wbl/00000000") == "out of order");
  REQUIRE(manifest.details.at("blocks").size() == 3);
}

TEST_CASE("prometheus backup: data appended after the cut is omitted") {
  DataDirectory data;
  FakeSnapshotView view;
  Unwrap(data.Save(view, [&] {
    data.Write("wal/00000005", "segment 5 and more");
    data.Write("wal/00000006", "segment 6");
  }));
  REQUIRE(TextIn(view, "data/wal/00000005") == "segment 5");
  REQUIRE_FALSE(view.nodes.contains("data/wal/00000006"));
}

TEST_CASE(
    "prometheus backup: the samples of a block removed during the backup are in its replacement") {
  DataDirectory data;
  FakeSnapshotView view;
  auto session = OpenBackupSession(data.context, data.settings, {});
  REQUIRE_OK(session->Prepare({}));
  REQUIRE_OK(session->Cut());
  while (auto item = Unwrap(session->Next())) {
    if (item->path == "data/" + UlidOf(1)) {
      data.AddBlock(3, {UlidOf(1), UlidOf(2)});
      data.Remove(UlidOf(1));
      data.Remove(UlidOf(2));
    }
    REQUIRE_OK(view.Add(*std::move(item)));
  }
  const Manifest manifest = Unwrap(session->Finish());
  REQUIRE(TextIn(view, "data/" + UlidOf(1) + "/chunks/000001") == "chunks 1");
  REQUIRE_FALSE(view.nodes.contains("data/" + UlidOf(2)));
  REQUIRE(TextIn(view, "data/" + UlidOf(3) + "/index") == "index 3");
  REQUIRE(manifest.details.at("vanished_blocks") == Texts{UlidOf(2)});
}

TEST_CASE("prometheus backup: a block removed while its files are opened is not saved partly") {
  DataDirectory data;
  FakeSnapshotView before;
  before.the_manifest = Unwrap(data.Save(before));
  // Prometheus renames it, and then removes its files.
  before.on_find = [&, was = false](std::string_view path) mutable {
    if (was || path != "data/" + UlidOf(1) + "/index") return;
    was = true;
    const std::string doomed = data.path + "/" + UlidOf(1) + ".tmp-for-deletion";
    REQUIRE(std::rename((data.path + "/" + UlidOf(1)).c_str(), doomed.c_str()) == 0);
    REQUIRE(::unlink((doomed + "/chunks/000001").c_str()) == 0);
    data.AddBlock(3, {UlidOf(1)});
  };
  FakeSnapshotView view;
  const Manifest manifest = Unwrap(data.Save(
      view, [] {}, &before));
  REQUIRE(manifest.details.at("vanished_blocks") == Texts{UlidOf(1)});
  REQUIRE(TextIn(view, "data/" + UlidOf(3) + "/index") == "index 3");
  for (const auto& [path, node] : view.nodes) REQUIRE(path.find(UlidOf(1)) == std::string::npos);
}

TEST_CASE("prometheus backup: repeatedly removed blocks are followed only up to a limit") {
  DataDirectory data;
  const auto going = GENERATE(999, 1000);
  for (int number = 0; number < going; ++number)
    REQUIRE_OK(MakeDirectories(data.path + "/" + UlidOf(1000 + number)));
  const Fd directory = Unwrap(OpenFile(data.path, O_RDONLY | O_DIRECTORY));
  BlockFiles blocks(directory.get(), data.path, nullptr);
  REQUIRE(Unwrap(blocks.Next()));
  for (int number = 0; number < going; ++number) data.Remove(UlidOf(1000 + number));
  Result<std::optional<Item>> last = std::nullopt;
  do {
    last = blocks.Next();
  } while (last && *last);
  REQUIRE(blocks.vanished().size() == static_cast<std::size_t>(going));
  if (going < 1000) {
    REQUIRE_OK(last);
    REQUIRE(blocks.blocks().size() == 2);
  } else {
    REQUIRE_FAILS(last, ErrorCode::kBusy,
                  "changes faster than it can be read: 1,000 blocks removed");
  }
}

TEST_CASE("prometheus backup: closed blocks are not read again, changed files are") {
  DataDirectory data;
  FakeSnapshotView first;
  Unwrap(data.Save(first));
  data.Remove(UlidOf(1) + "/tombstones");
  data.Write(UlidOf(1) + "/tombstones", "some");
  // It has the name and length of the previous snapshot's file, so it is not opened.
  FakeSnapshotView second;
  Unwrap(data.Save(
      second, [] {}, &first));
  REQUIRE(second.files_reused >= 7);
  REQUIRE(TextIn(second, "data/" + UlidOf(1) + "/tombstones") == "some");
  REQUIRE(TextIn(second, "data/" + UlidOf(2) + "/index") == "index 2");
  REQUIRE(FilesIn(second) == FilesIn(first));
}

TEST_CASE("prometheus backup: blocks without meta.json are distinguished from broken ones") {
  DataDirectory data;
  data.AddBlock(3);
  data.AddBlock(4);
  data.Remove(UlidOf(1) + "/meta.json");
  data.Remove(UlidOf(2) + "/index");
  data.Write(UlidOf(3) + "/meta.json", "{");
  data.Remove(UlidOf(4) + "/chunks/000001");
  FakeSnapshotView view;
  const Manifest manifest = Unwrap(data.Save(view));
  REQUIRE_FALSE(manifest.details.contains("blocks"));
  REQUIRE(manifest.missing.size() == 3);
  REQUIRE_THAT(manifest.missing[0].reason, Catch::Contains("has no index or no chunks"));
  REQUIRE_THAT(manifest.missing[1].reason, Catch::Contains("not the meta.json of a block:"));
  REQUIRE_THAT(manifest.missing[2].reason, Catch::Contains("has no index or no chunks"));
  REQUIRE_THAT(manifest.warnings.at(0) + manifest.warnings.at(1),
               Catch::Contains("it has no meta.json"));
  for (const auto& [path, node] : view.nodes) REQUIRE(path.find(UlidOf(2)) == std::string::npos);
}

TEST_CASE("prometheus backup: missing segments in a log are an error") {
  DataDirectory data;
  data.Remove("wal/00000004");
  FakeSnapshotView view;
  REQUIRE_FAILS(data.Save(view), ErrorCode::kCorrupt, "segments are missing");
}

TEST_CASE("prometheus backup: an agent has a log and no blocks") {
  DataDirectory data;
  data.Remove(UlidOf(1));
  data.Remove(UlidOf(2));
  data.Remove("wbl");
  FakeSnapshotView view;
  const Manifest manifest = Unwrap(data.Save(view));
  REQUIRE(FilesIn(view).size() == 3);
  REQUIRE_FALSE(manifest.position.contains("wbl"));
}

TEST_CASE("prometheus backup: the files of the distribution's package are saved") {
  DataDirectory data;
  data.settings.config.clear();
  const std::string& root = data.context.places.etc_root;
  const Texts files = {root + "/etc/default/prometheus", root + "/etc/prometheus/prometheus.yml",
                       root + "/usr/lib/systemd/system/prometheus.service"};
  for (const std::string& file : files) {
    REQUIRE_OK(MakeDirectories(file.substr(0, file.rfind('/'))));
    testing::WriteText(file, "global: {}\n");
  }
  FakeSnapshotView view;
  const Manifest manifest = Unwrap(data.Save(view));
  REQUIRE(manifest.details.at("config") == Texts{files[1]});
  for (const std::string& file : files) REQUIRE(view.nodes.contains("members/node/files" + file));
}

TEST_CASE("prometheus backup: a missing directory is an error") {
  DataDirectory data;
  data.settings.data_dir += "-of-another";
  FakeSnapshotView view;
  REQUIRE_FAILS(data.Save(view), ErrorCode::kNotFound, "storage.tsdb.path");
}

}  // namespace
}  // namespace holdfast::prometheus
