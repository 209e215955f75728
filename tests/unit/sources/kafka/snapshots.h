// Snapshots of a Kafka cluster in memory, as a backup creates them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/unit/sources/kafka/files.h"

namespace holdfast::kafka {

// Makes files of a few records each.
inline constexpr Borders kSmallBorders = {
    .batch_bits = 8, .file_bits = 11, .batch_bytes_max = 4096, .file_bytes_max = 65536};

struct StoredSnapshot {
  testing::FakeSnapshotView view;

  void AddFile(const std::string& path, ByteView content) {
    Item item;
    item.path = path;
    item.content = std::make_unique<testing::BytesReader>(Bytes(content.begin(), content.end()));
    testing::Unwrap(view.Add(std::move(item)));
    view.Complete();
  }
  void AddTopic(const std::string& name, std::int32_t partitions, Configs configs = {}) {
    TopicDocument document;
    document.name = name;
    document.partitions = partitions;
    document.replication_factor = 1;
    document.configs = std::move(configs);
    AddFile(TopicDocumentPath(name), AsBytes(EncodeTopic(document)));
    for (std::int32_t id = 0; id < partitions; ++id) AddRecords(name, id, {});
  }
  PartitionDocument AddRecords(const std::string& topic, std::int32_t partition,
                               std::span<const Record> records) {
    PartitionDocument document;
    for (const auto& [first, file] : Write(Each(records), kSmallBorders)) {
      const Bytes bytes = file.bytes();
      AddFile(PartitionPath(topic, partition) + "/" + SegmentName(first), bytes);
      document.files.push_back({.bytes = bytes.size(), .run = file.run});
    }
    if (!records.empty()) {
      document.low = records.front().offset;
      document.end = document.last_stable = document.high = records.back().offset + 1;
      RunTally last;
      last.Add(records.back());
      document.last_record = last.Finish();
    }
    AddFile(PartitionDocumentPath(topic, partition), AsBytes(EncodePartition(document)));
    return document;
  }
  void AddGroup(const std::string& name, std::vector<GroupOffsetFacts> offsets) {
    GroupDocument document;
    document.name = name;
    document.state = "Empty";
    document.offsets = std::move(offsets);
    AddFile(GroupPath(name), AsBytes(EncodeGroup(document)));
  }
};

// Records with text values; "-" is null.
class TextRecords {
 public:
  Record& Add(std::int64_t offset, const std::string& value, std::int64_t timestamp = 1'000) {
    Record& record = records.emplace_back();
    record.offset = offset;
    record.timestamp = timestamp;
    if (value != "-") record.value = AsBytes(texts_.emplace_back(value));
    return record;
  }
  std::vector<Record> records;

 private:
  std::deque<std::string> texts_;
};

}  // namespace holdfast::kafka
