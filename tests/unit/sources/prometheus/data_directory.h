// A data directory like Prometheus's, and a backup of it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/sources/prometheus/backup.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "tests/support/fake_processes.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/file_trees.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::prometheus {

// "01H00000000000000000000001" for 1.
inline std::string UlidOf(int number) { return fmt::format("01H{:023}", number); }

inline std::string MetaText(const std::string& ulid, std::int64_t from, std::int64_t until,
                            const std::vector<std::string>& parents = {}) {
  std::string text;
  for (const std::string& parent : parents)
    text += fmt::format(R"({}{{"ulid":"{}","minTime":0,"maxTime":1}})", text.empty() ? "" : ",",
                        parent);
  return fmt::format(
      R"({{"ulid":"{}","minTime":{},"maxTime":{},"stats":{{"numSamples":12,"numSeries":3}},)"
      R"("compaction":{{"level":1,"sources":["{}"],"parents":[{}]}},"version":1}})",
      ulid, from, until, ulid, text);
}

struct DataDirectory {
  DataDirectory() {
    REQUIRE_OK(MakeDirectories(path + "/wal/checkpoint.00000003"));
    REQUIRE_OK(MakeDirectories(path + "/wal/checkpoint.00000002"));
    REQUIRE_OK(MakeDirectories(path + "/wbl"));
    Write("wal/checkpoint.00000003/00000000", "checkpoint 3");
    Write("wal/checkpoint.00000002/00000000", "checkpoint 2");
    for (int number = 2; number <= 5; ++number)
      Write(fmt::format("wal/{:08}", number), fmt::format("segment {}", number));
    Write("wbl/00000000", "out of order");
    REQUIRE_OK(MakeDirectories(path + "/chunks_head"));
    REQUIRE_OK(MakeDirectories(path + "/01H00000000000000000000099.tmp-for-creation"));
    Write("chunks_head/000001", "x");
    Write("lock", "");
    AddBlock(1);
    AddBlock(2);
    context.node = "node";
    context.clock = &clock;
    context.random = &random;
    context.places = testing::EmptyHost(top.path());
    settings.data_dir = path;
    settings.config = top.path() + "/p.yml";
    testing::WriteText(settings.config,
                       "global: {external_labels: {replica: a}}\nremote_write: [{url: x}]\n");
  }
  void Write(const std::string& name, const std::string& text) const {
    testing::WriteText(path + "/" + name, text);
  }
  void Remove(const std::string& name) const { std::filesystem::remove_all(path + "/" + name); }
  void AddBlock(int number, const std::vector<std::string>& parents = {}) const {
    const std::string ulid = UlidOf(number);
    REQUIRE_OK(MakeDirectories(path + "/" + ulid + "/chunks"));
    Write(ulid + "/meta.json", MetaText(ulid, number * 100, number * 100 + 100, parents));
    Write(ulid + "/index", fmt::format("index {}", number));
    Write(ulid + "/chunks/000001", fmt::format("chunks {}", number));
    Write(ulid + "/tombstones", "");
  }

  // A backup that calls `happens` right after the cut.
  template <typename Happens>
  Result<Manifest> Save(testing::FakeSnapshotView& view, Happens happens,
                        testing::FakeSnapshotView* previous = nullptr) {
    const BackupSpec spec{.previous = previous};
    auto session = OpenBackupSession(context, settings, spec);
    HF_TRY(session->Prepare({}));
    HF_TRY(session->Cut());
    happens();
    for (;;) {
      HF_ASSIGN(auto item, session->Next());
      if (!item) break;
      HF_TRY(view.Add(*std::move(item), previous));
    }
    HF_ASSIGN(Manifest manifest, session->Finish());
    view.the_manifest = manifest;
    return manifest;
  }
  Result<Manifest> Save(testing::FakeSnapshotView& view) {
    return Save(view, [] {});
  }

  TempDir top = testing::Unwrap(TempDir::Create("prometheus"));
  std::string path = top.path() + "/data";
  // Later than the files' times, so that unchanged files are trusted.
  testing::ManualClock clock{SystemClock().Now().time_since_epoch() / std::chrono::seconds(1) + 60};
  testing::SeededRandom random;
  SourceContext context;
  Settings settings;
};

inline std::string TextIn(const testing::FakeSnapshotView& view, const std::string& path) {
  return std::string(AsText(view.nodes.at(path).content));
}

inline std::vector<std::string> FilesIn(const testing::FakeSnapshotView& view) {
  std::vector<std::string> files;
  for (const auto& [path, node] : view.nodes)
    if (node.attributes.type == NodeType::kFile && path.starts_with("data/")) files.push_back(path);
  return files;
}

}  // namespace holdfast::prometheus
