#include "agent/sources/kafka/partition_saver.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/results.h"
#include "tests/unit/kafka/mock_cluster.h"

namespace holdfast::kafka {
namespace {

using holdfast::testing::FakeSnapshotView;
using holdfast::testing::ReadAll;
using holdfast::testing::Unwrap;
using rdkafka::testing::Content;
using rdkafka::testing::MockCluster;

// Boundaries every few records, so that little data makes many files.
constexpr Borders kSmall{.batch_bits = 7, .file_bits = 10};

// One partition of a mock cluster, and snapshots of it.
class SaverScene {
 public:
  explicit SaverScene(const std::string& topic = "t") : partition_{topic, 0} {
    kafka_.CreateTopic(topic, 1);
    now_.topic_id = "id";
    now_.leader = 1;
    now_.epochs = {{0, 0}};
    tools_.fetcher = &fetcher_;
    tools_.open_reader = Open();
    tools_.attributes.mode = 0600;
    tools_.borders = kSmall;
    tools_.bounds = [this](const rdkafka::TopicPartition&) { return bounds_; };
    tools_.epochs = [this](const rdkafka::TopicPartition&) { return epochs_after_; };
  }

  RecordFetcher::OpenReader Open() {
    return [this] {
      ++readers_;
      return rdkafka::Reader::Open(kafka_.options(), {});
    };
  }

  // Writes `count` more records; each contains its number.
  void Write(int count) {
    std::vector<Content> records;
    for (int i = 0; i < count; ++i) {
      const std::int64_t offset = now_.high + i;
      records.push_back({.key = std::to_string(offset),
                         .value = words_ + std::to_string(offset),
                         .timestamp_ms = 1'000 + offset});
    }
    WriteAll(kafka_.options(), partition_, records);
    now_.high += count;
    now_.last_stable = now_.high;
  }

  // Saves the partition, by default on top of the last snapshot.
  void Save(bool has_previous = true) {
    auto next = std::make_unique<FakeSnapshotView>();
    FakeSnapshotView* previous = has_previous ? snapshot_.get() : nullptr;
    tools_.previous = previous;
    PartitionWork work;
    work.partition = partition_;
    work.now = now_;
    if (previous != nullptr) work.previous = document_;
    work.plan = PlanPartition(work.previous ? &*work.previous : nullptr, now_);
    if (fetches_small_ && work.Range().from < work.Range().end) {
      const RecordRange range = work.Range();
      work.fetched = std::move(Unwrap(fetcher_.FetchSmall({&range, 1}))[0]);
    }
    epochs_after_ = now_.epochs;
    if (before_reading_) before_reading_();
    PartitionSaver saver(tools_, std::move(work));
    paths_.clear();
    PartitionSaver::Given given;
    while (std::optional<Item> item = Unwrap(saver.Next())) {
      paths_.push_back(item->path);
      REQUIRE_OK(next->Add(std::move(*item), previous));
      REQUIRE(saver.given().offsets >= given.offsets);
      given = saver.given();
    }
    next->Complete();
    document_ = saver.document();
    for (const SegmentFacts& file : document_.files) given.bytes -= file.bytes;
    REQUIRE(given.bytes == 0);
    if (document_.run().records > 0)
      REQUIRE(given.offsets ==
              static_cast<std::uint64_t>(document_.run().last_offset + 1 - document_.low));
    warnings_ = saver.warnings();
    records_read_ = saver.records_read();
    const bool is_reused = paths_ == std::vector<std::string>{"data/topics/t/0"};
    const Bytes& text = next->nodes.at("data/topics/t/0/partition.json").content;
    REQUIRE(Unwrap(DecodePartition(AsText(text))) == document_);
    if (!is_reused) REQUIRE(paths_.back() == "data/topics/t/0/partition.json");
    older_ = std::move(snapshot_);
    snapshot_ = std::move(next);
  }

  // The log files, in the order of their offsets.
  std::map<std::string, Bytes> Files() const {
    std::map<std::string, Bytes> files;
    for (const auto& [path, node] : snapshot_->nodes)
      if (path.ends_with(".log")) files[path] = node.content;
    return files;
  }

  void WriteAndSave(int count) {
    Write(count);
    Save();
  }

  // All stored records: "0 1 2".
  std::string Stored() {
    std::string text;
    RunTally tally;
    RecordRun all;
    for (const SegmentFacts& file : document_.files) {
      auto content =
          Unwrap(snapshot_->Open("data/topics/t/0/" + SegmentName(file.run.first_offset)));
      SegmentReader reader(*content, file.run.first_offset);
      while (const Record* record = Unwrap(reader.Next())) {
        tally.Add(*record);
        REQUIRE(AsText(*record->value) == words_ + std::to_string(record->offset));
        text += std::to_string(record->offset) + " ";
      }
      const RecordRun run = tally.Finish();
      REQUIRE(run == file.run);
      all.Append(run);
    }
    REQUIRE(all == document_.run());
    return text;
  }

  static std::string Numbers(int from, int end) {
    std::string text;
    for (int i = from; i < end; ++i) text += std::to_string(i) + " ";
    return text;
  }

  // The files of a snapshot without a previous one.
  std::map<std::string, Bytes> FilesOfFullBackup() {
    SaverScene other(*this, 0);
    return other.Files();
  }

  MockCluster kafka_;
  rdkafka::TopicPartition partition_;
  PartitionFacts now_;
  rdkafka::Bounds bounds_;
  std::vector<EpochStart> epochs_after_;
  std::function<void()> before_reading_;
  std::string words_ = "some words to fill it up ";
  bool fetches_small_ = false;
  int readers_ = 0;
  RecordFetcher fetcher_{Open(), {}};
  SaverTools tools_;

  std::unique_ptr<FakeSnapshotView> older_;
  std::unique_ptr<FakeSnapshotView> snapshot_;
  PartitionDocument document_;
  std::vector<std::string> warnings_;
  std::vector<std::string> paths_;
  std::uint64_t records_read_ = 0;

 private:
  // The same cluster, without a previous snapshot.
  SaverScene(SaverScene& other, int) : partition_(other.partition_), now_(other.now_) {
    tools_ = other.tools_;
    words_ = other.words_;
    RecordFetcher fetcher(other.Open(), {});
    tools_.fetcher = &fetcher;
    Save(false);
  }
};

TEST_CASE("partition saver: all records are saved and counted in the document") {
  SaverScene scene;
  scene.WriteAndSave(100);
  REQUIRE(scene.Stored() == SaverScene::Numbers(0, 100));
  REQUIRE(scene.document_.files.size() > 3);
  REQUIRE(scene.document_.end == 100);
  REQUIRE(scene.document_.incomplete.empty());
  REQUIRE(scene.document_.last_record.first_offset == 99);
  REQUIRE(scene.document_.last_record_epoch == 0);
  REQUIRE(scene.records_read_ == 100);
}

TEST_CASE("partition saver: an empty partition has a document") {
  SaverScene scene;
  scene.Save();
  REQUIRE(scene.paths_ == std::vector<std::string>{"data/topics/t/0/partition.json"});
  REQUIRE(scene.Stored().empty());
  scene.Save();
  REQUIRE(scene.paths_ == std::vector<std::string>{"data/topics/t/0"});
}

TEST_CASE("partition saver: an unchanged partition is not read") {
  SaverScene scene;
  scene.WriteAndSave(100);
  const int readers = scene.readers_;
  scene.kafka_.SetDown();
  scene.Save();
  REQUIRE(scene.paths_ == std::vector<std::string>{"data/topics/t/0"});
  REQUIRE(scene.readers_ == readers);
  REQUIRE(scene.records_read_ == 0);
  REQUIRE(scene.Stored() == SaverScene::Numbers(0, 100));
}

TEST_CASE("partition saver: many small runs give the same files as one large run") {
  const bool fetches_small = GENERATE(false, true);
  SaverScene scene;
  scene.fetches_small_ = fetches_small;
  int written = 0;
  for (int i = 0; i < 30; ++i) {
    scene.Write(1 + i % 7);
    written += 1 + i % 7;
    scene.Save();
    REQUIRE(scene.records_read_ == static_cast<std::uint64_t>(1 + i % 7));
  }
  REQUIRE(scene.Stored() == SaverScene::Numbers(0, written));
  REQUIRE(scene.Files() == scene.FilesOfFullBackup());
  // Closed files are reused, not read.
  REQUIRE(scene.snapshot_->files_reused + 1 >= static_cast<int>(scene.document_.files.size()) - 1);
}

TEST_CASE("partition saver: if epochs are unknown, the last record proves the history") {
  const bool fetches_small = GENERATE(false, true);
  const bool grows = GENERATE(false, true);
  SaverScene scene;
  scene.fetches_small_ = fetches_small;
  scene.now_.epochs.clear();
  scene.WriteAndSave(40);
  if (grows) scene.Write(5);
  scene.Save();
  REQUIRE(scene.warnings_.empty());
  REQUIRE(scene.records_read_ == (grows ? 5U : 0U));
  REQUIRE(scene.Stored() == SaverScene::Numbers(0, grows ? 45 : 40));

  // Another history of the same length.
  scene.document_.last_record.digest[0] ^= 1;
  scene.Save();
  REQUIRE(scene.warnings_.size() == 1);
  REQUIRE(scene.warnings_[0].find("is saved again from the start:") != std::string::npos);
  REQUIRE(scene.records_read_ == (grows ? 45U : 40U));
  REQUIRE(scene.Stored() == SaverScene::Numbers(0, grows ? 45 : 40));
}

TEST_CASE("partition saver: a missing last record means another history") {
  SaverScene scene;
  scene.now_.epochs.clear();
  scene.WriteAndSave(40);
  scene.document_.last_record.first_offset = scene.document_.last_record.last_offset = 5'000;
  scene.document_.end = scene.now_.last_stable;
  scene.Save();
  REQUIRE(scene.warnings_.size() == 1);
  REQUIRE(scene.Stored() == SaverScene::Numbers(0, 40));
}

TEST_CASE("partition saver: retention removes exactly the deleted records") {
  SaverScene scene;
  scene.WriteAndSave(200);
  const auto before = scene.Files();
  scene.now_.low = 77;
  const bool grows = GENERATE(false, true);
  if (grows) scene.Write(20);
  scene.Save();
  REQUIRE(scene.Stored() == SaverScene::Numbers(77, grows ? 220 : 200));
  REQUIRE(scene.records_read_ == (grows ? 20U : 0U));
  // One file was trimmed; those after it are unchanged.
  int others = 0;
  for (const auto& [path, content] : scene.Files()) others += before.contains(path) ? 0 : 1;
  REQUIRE(others <= (grows ? 4 : 1));
}

TEST_CASE("partition saver: retention can reach the last file") {
  SaverScene scene;
  scene.WriteAndSave(60);
  const std::int64_t last_file = scene.document_.files.back().run.first_offset;
  REQUIRE(last_file < 59);
  scene.now_.low = 59;
  const bool grows = GENERATE(false, true);
  if (grows) scene.Write(50);
  scene.Save();
  REQUIRE(scene.Stored() == SaverScene::Numbers(59, grows ? 110 : 60));
}

TEST_CASE("partition saver: records deleted before they could be saved are a gap") {
  SaverScene scene;
  scene.WriteAndSave(60);
  scene.Write(60);
  scene.now_.low = 80;
  scene.Save();
  REQUIRE(scene.Stored() == SaverScene::Numbers(80, 120));
  REQUIRE(scene.document_.lost.size() == 1);
  REQUIRE(scene.document_.lost[0].first == 60);
  REQUIRE(scene.document_.lost[0].end == 80);
}

TEST_CASE("partition saver: records deleted while reading are a gap") {
  SaverScene scene;
  scene.Write(60);
  scene.now_.low = -1;
  // The mock only has offsets from 0 on. An offset beyond its end stands for a deleted one.
  scene.now_.low = 0;
  scene.Save();
  scene.now_.last_stable = scene.now_.high = 90;  // 60 to 89 do not exist
  scene.bounds_ = {.low = 90, .last_stable = 95, .high = 95, .error = std::nullopt};
  scene.Write(0);
  scene.now_.last_stable = scene.now_.high = 90;
  scene.document_.end = 61;  // so that reading starts beyond the end
  scene.document_.last_stable = scene.document_.high = 61;
  scene.Save();
  REQUIRE(scene.document_.incomplete.empty());
  REQUIRE(scene.document_.lost.size() == 1);
  REQUIRE(scene.document_.lost[0].first == 61);
  REQUIRE(scene.document_.lost[0].end == 90);
  REQUIRE(scene.Stored() == SaverScene::Numbers(0, 60));
}

TEST_CASE("partition saver: a log that ends too early is reported") {
  SaverScene scene;
  scene.WriteAndSave(60);
  scene.now_.last_stable = scene.now_.high = 90;
  scene.bounds_ = {.low = 0, .last_stable = 60, .high = 60, .error = std::nullopt};
  scene.document_.end = 61;
  scene.document_.last_stable = scene.document_.high = 61;
  scene.Save();
  REQUIRE_FALSE(scene.document_.incomplete.empty());
  REQUIRE(scene.document_.end == 61);
  REQUIRE(scene.Stored() == SaverScene::Numbers(0, 60));
}

TEST_CASE("partition saver: an election during the read is reported") {
  SaverScene scene;
  scene.Write(60);
  scene.before_reading_ = [&] { scene.epochs_after_ = {{0, 0}, {3, 30}}; };
  scene.Save();
  REQUIRE(scene.document_.incomplete.find("leader epoch 3 and had 0") != std::string::npos);
  scene.before_reading_ = nullptr;
  scene.now_.epochs = {{0, 0}, {3, 30}};
  scene.Save();
  REQUIRE(scene.records_read_ == 60);
  REQUIRE(scene.document_.incomplete.empty());
}

TEST_CASE("partition saver: an unreadable stored file is read from Kafka again") {
  SaverScene scene;
  scene.WriteAndSave(100);
  const SegmentFacts last = scene.document_.files.back();
  Bytes& content =
      scene.snapshot_->nodes["data/topics/t/0/" + SegmentName(last.run.first_offset)].content;
  content[content.size() / 2] ^= 1;
  scene.WriteAndSave(10);
  REQUIRE(scene.warnings_.size() == 1);
  REQUIRE(scene.warnings_[0].find("cannot be read") != std::string::npos);
  REQUIRE(scene.Stored() == SaverScene::Numbers(0, 110));
  REQUIRE(scene.Files() == scene.FilesOfFullBackup());
}

TEST_CASE("partition saver: without brokers a partition is incomplete, but the backup continues") {
  SaverScene scene;
  scene.WriteAndSave(100);
  scene.Write(10);
  scene.kafka_.SetDown();
  RecordFetcher impatient(scene.Open(), {}, {.silence = std::chrono::milliseconds(200)});
  scene.tools_.fetcher = &impatient;
  scene.Save();
  REQUIRE_FALSE(scene.document_.incomplete.empty());
  REQUIRE(scene.document_.end == 100);
  REQUIRE(scene.Stored() == SaverScene::Numbers(0, 100));
  scene.kafka_.SetUp();
  scene.tools_.fetcher = &scene.fetcher_;
  scene.Save();
  REQUIRE(scene.document_.incomplete.empty());
  REQUIRE(scene.Stored() == SaverScene::Numbers(0, 110));
}

TEST_CASE("partition saver: an unreadable partition is incomplete, but the backup continues") {
  SaverScene scene;
  scene.now_.epochs.clear();  // so that the last record is compared
  scene.WriteAndSave(100);
  const std::string all = SaverScene::Numbers(0, 100);
  RecordFetcher closed(
      []() -> Result<std::unique_ptr<rdkafka::Reader>> {
        return Fail(ErrorCode::kUnavailable, "the topic was deleted");
      },
      {});
  scene.tools_.fetcher = &closed;
  SECTION("everything stored is kept") {
    scene.Save();
    REQUIRE(scene.document_.end == 100);
    REQUIRE(scene.Stored() == all);
  }
  SECTION("an unreadable stored file is not claimed") {
    scene.now_.low = 1;
    const SegmentFacts first = scene.document_.files.front();
    scene.snapshot_->nodes["data/topics/t/0/" + SegmentName(first.run.first_offset)].content.resize(
        10);
    scene.Save();
    REQUIRE(scene.document_.end <= 1);
    REQUIRE(scene.Stored() == "");
  }
  REQUIRE(scene.document_.incomplete == "the topic was deleted");
  scene.tools_.fetcher = &scene.fetcher_;
  const int low = static_cast<int>(scene.now_.low);
  scene.Save();
  REQUIRE(scene.document_.incomplete.empty());
  REQUIRE(scene.Stored() == SaverScene::Numbers(low, 100));
}

TEST_CASE("partition saver: a file lost by the repository is read from Kafka again") {
  SaverScene scene;
  scene.WriteAndSave(100);
  const SegmentFacts file = scene.document_.files[1];
  auto reader = Unwrap(ReadAgain(scene.tools_, scene.partition_, file));
  REQUIRE(Unwrap(ReadAll(*reader)) ==
          scene.Files().at("data/topics/t/0/" + SegmentName(file.run.first_offset)));
  SegmentFacts other = file;
  other.run.digest[0] ^= 1;
  reader = Unwrap(ReadAgain(scene.tools_, scene.partition_, other));
  REQUIRE_FAILS(ReadAll(*reader), ErrorCode::kCorrupt, ", and Kafka now has different records");
}

}  // namespace
}  // namespace holdfast::kafka
