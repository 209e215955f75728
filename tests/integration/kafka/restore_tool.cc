// Creates snapshots of a Kafka cluster from descriptions, and restores them, for test_restore.py.
//
//   kafka_restore_tool store DIR <LINES
//   kafka_restore_tool restore DIR OPTIONS
//
// A snapshot is a directory as in docs/sources/kafka.md. Each JSON line is one of
//   {"topic", "partitions", ["replicas"], ["configs"]: {}}
//   {"record": TOPIC, "partition", "offset", "timestamp", ["append"]: true, ["key"], ["value"],
//    ["headers"]: [[name, value], ...]}: base64, or null
//   {"load": TOPIC, "partition", "records", "bytes", ["offset"], ["timestamp"]}: this many records
//    of this size, half of which compresses
//   {"end": TOPIC, "partition", "offset", ["incomplete"]: why it was not saved up to there}: the
//    end of the partition, if it is after its last record
//   {"group", "offsets": [[topic, partition, offset, metadata], ...]}
//   {"acls": [[type, name, pattern, principal, host, operation, permission], ...]}
// The records of a partition must be in order. OPTIONS is a JSON object: "options" of the kind's
// restore methods, "state": a directory, ["client"], ["dry_run"], ["save"]: false, ["seconds"] that
// a record may wait for a broker. Prints the result of the restore as one JSON line.
#include <fcntl.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/restore_cluster.h"
#include "agent/sources/kafka/restore_log_dirs.h"
#include "agent/sources/kafka/segment_reader.h"
#include "agent/sources/kafka/segment_writer.h"
#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/filetree/walker.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/bench/content.h"

namespace holdfast::kafka {
namespace {

using Json = nlohmann::json;

class FileReader final : public ByteReader {
 public:
  FileReader(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    return ReadSome(fd_.get(), buffer, path_);
  }

 private:
  Fd fd_;
  std::string path_;
};

class DirectoryView final : public SnapshotView {
 public:
  explicit DirectoryView(std::string top)
      : top_(std::move(top)), id_(std::filesystem::path(top_).filename()) {}
  const std::string& snapshot_id() const override { return id_; }
  const std::optional<Manifest>& manifest() const override { return manifest_; }
  Result<std::optional<Attributes>> Stat(std::string_view path) override {
    auto found = filetree::ReadAttributes(PathOf(path));
    if (!found && found.error().code() == ErrorCode::kNotFound) return std::nullopt;
    if (!found) return Fail(std::move(found).error());
    return *std::move(found);
  }
  Result<std::unique_ptr<const SnapshotEntry>> Find(std::string_view) override {
    return Fail(ErrorCode::kUnsupported, "nobody asked for it");
  }
  Result<void> List(std::string_view path,
                    const std::function<Result<void>(const ViewEntry&)>& visit) override {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(PathOf(path)))
      names.push_back(entry.path().filename());
    std::ranges::sort(names);
    for (const std::string& name : names) HF_TRY(visit({name, {}}));
    return {};
  }
  Result<std::unique_ptr<ByteReader>> Open(std::string_view path) override {
    HF_ASSIGN(Fd fd, OpenFile(PathOf(path), O_RDONLY));
    return std::make_unique<FileReader>(std::move(fd), PathOf(path));
  }
  Result<ExtractOutcome> Extract(const std::string&, const ExtractOptions&, Progress&,
                                 std::stop_token) override {
    return Fail(ErrorCode::kUnsupported, "nobody asked for it");
  }

 private:
  std::string PathOf(std::string_view path) const { return top_ + "/" + std::string(path); }
  const std::string top_;
  const std::string id_;
  const std::optional<Manifest> manifest_;
};

// What RestoreEnvironment::open_source returns. Only save_first uses it.
class NamedTopics final : public Source {
 public:
  explicit NamedTopics(std::vector<std::string> names) : topics(std::move(names)) {}
  Result<SourceInfo> Probe(std::stop_token) override { return No(); }
  Result<std::unique_ptr<BackupSession>> OpenBackup(const BackupSpec&) override { return No(); }
  const std::vector<std::string> topics;

 private:
  static std::unexpected<Error> No() {
    return Fail(ErrorCode::kUnsupported, "it is no real source");
  }
};

std::optional<Bytes> BytesOf(const Json& json) {
  if (json.is_null()) return std::nullopt;
  auto bytes = Base64Decode(json.get<std::string>());
  HF_CHECK(bytes.has_value());
  return *std::move(bytes);
}

// The records that the input describes for one partition.
class PartitionInput {
 public:
  void AddRecord(const Json& line) {
    Content& content = contents_.emplace_back();
    content.key = BytesOf(line.value("key", Json()));
    content.value = BytesOf(line.value("value", Json()));
    for (const Json& header : line.value("headers", Json::array())) {
      const auto value = BytesOf(header.at(1));
      content.headers.Add(*BytesOf(header.at(0)),
                          value ? std::optional<ByteView>(*value) : std::nullopt);
    }
    Record& record = records_.emplace_back();
    record.offset = line.at("offset");
    record.timestamp = line.at("timestamp");
    if (line.value("append", false)) record.timestamp_type = TimestampType::kLogAppendTime;
    if (content.key) record.key = *content.key;
    if (content.value) record.value = *content.value;
    record.headers = content.headers.view();
  }
  void SetLoad(const Json& line) {
    load_ = line.at("records");
    testing::SeededRandom random(line.at("partition").get<std::uint64_t>() + 1);
    const std::size_t bytes = line.at("bytes");
    bench::AppendLog(random, bytes / 2 + 1'000'000, text_);
    bench::AppendRandom(random, bytes / 2 + 1'000'000, text_);
    record_.offset = line.value("offset", 0);
    record_.timestamp = line.value("timestamp", std::int64_t{1'577'880'000'000});
    bytes_ = bytes;
  }
  std::int64_t end = 0;  // 0, or an end after the last record
  std::string incomplete;
  Result<const Record*> Next() {
    if (at_ < records_.size()) return &records_[at_++];
    if (loaded_ == load_) return nullptr;
    if (loaded_++ > 0) ++record_.offset;
    ++record_.timestamp;
    key_ = std::to_string(record_.offset);
    record_.key = AsBytes(key_);
    record_.value =
        AsBytes(text_).subspan(static_cast<std::size_t>(record_.offset) * 997 % 1'000'000, bytes_);
    return &record_;
  }

 private:
  struct Content {
    std::optional<Bytes> key;
    std::optional<Bytes> value;
    HeaderList headers;
  };
  std::deque<Content> contents_;
  std::vector<Record> records_;
  std::size_t at_ = 0;
  std::uint64_t load_ = 0;
  std::uint64_t loaded_ = 0;
  std::size_t bytes_ = 0;
  std::string text_;
  std::string key_;
  Record record_;
};

Result<void> StoreText(const std::string& path, std::string_view text) {
  HF_TRY(MakeDirectories(std::filesystem::path(path).parent_path()));
  return WriteFileAtomic(path, AsBytes(text), 0644);
}

Result<void> StorePartition(const std::string& top, const std::string& topic,
                            std::int32_t partition, PartitionInput& input) {
  PartitionDocument document;
  Record last;
  RunTally last_tally;
  SegmentWriter writer([&input] { return input.Next(); });
  for (;;) {
    HF_ASSIGN(const auto first, writer.NextFile());
    if (!first) break;
    const std::string path =
        fmt::format("{}/{}/{}", top, PartitionPath(topic, partition), SegmentName(*first));
    HF_TRY(MakeDirectories(std::filesystem::path(path).parent_path()));
    HF_ASSIGN(const Fd fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    std::uint64_t bytes = 0;
    for (;;) {
      HF_ASSIGN(const ByteView batch, writer.NextBatch());
      if (batch.empty()) break;
      HF_TRY(WriteAll(fd.get(), batch, path));
      bytes += batch.size();
    }
    document.files.push_back({.bytes = bytes, .run = writer.run()});
    document.end = writer.run().last_offset + 1;
  }
  document.last_stable = document.high = std::max(document.end, input.end);
  document.incomplete = input.incomplete;
  if (input.incomplete.empty()) document.end = document.high;
  document.low = document.files.empty() ? 0 : document.files.front().run.first_offset;
  // Reads the last record back from its file, for its hash.
  if (!document.files.empty()) {
    const std::int64_t first = document.files.back().run.first_offset;
    const std::string path =
        fmt::format("{}/{}/{}", top, PartitionPath(topic, partition), SegmentName(first));
    HF_ASSIGN(Fd fd, OpenFile(path, O_RDONLY));
    FileReader file(std::move(fd), path);
    SegmentReader reader(file, first);
    for (;;) {
      HF_ASSIGN(const Record* record, reader.Next());
      if (record == nullptr) break;
      last_tally = {};
      last_tally.Add(*record);
    }
    document.last_record = last_tally.Finish();
  }
  return StoreText(top + "/" + PartitionDocumentPath(topic, partition), EncodePartition(document));
}

Result<void> Store(const std::string& top) {
  std::map<std::pair<std::string, std::int32_t>, PartitionInput> partitions;
  for (std::string text; std::getline(std::cin, text);) {
    const Json line = Json::parse(text);
    if (line.contains("topic")) {
      TopicDocument document;
      document.name = line.at("topic");
      document.partitions = line.at("partitions");
      document.replication_factor = line.value("replicas", 1);
      document.configs = line.value("configs", Configs());
      for (std::int32_t id = 0; id < document.partitions; ++id)
        partitions.try_emplace({document.name, id});
      HF_TRY(StoreText(top + "/" + TopicDocumentPath(document.name), EncodeTopic(document)));
    } else if (line.contains("record")) {
      partitions.at({line.at("record"), line.at("partition")}).AddRecord(line);
    } else if (line.contains("load")) {
      partitions.at({line.at("load"), line.at("partition")}).SetLoad(line);
    } else if (line.contains("end")) {
      PartitionInput& input = partitions.at({line.at("end"), line.at("partition")});
      input.end = line.at("offset");
      input.incomplete = line.value("incomplete", std::string());
    } else if (line.contains("group")) {
      GroupDocument document;
      document.name = line.at("group");
      document.state = "Empty";
      for (const Json& offset : line.at("offsets"))
        document.offsets.push_back(
            {offset.at(0), offset.at(1), offset.at(2), -1, offset.at(3).get<std::string>()});
      HF_TRY(StoreText(top + "/" + GroupPath(document.name), EncodeGroup(document)));
    } else {
      std::vector<rdkafka::AclBinding> acls;
      for (const Json& acl : line.at("acls"))
        acls.push_back(
            {acl.at(0), acl.at(1), acl.at(2), acl.at(3), acl.at(4), acl.at(5), acl.at(6)});
      HF_TRY(StoreText(top + "/" + std::string(kAclsPath), EncodeAcls(acls)));
    }
  }
  for (auto& [name, input] : partitions)
    HF_TRY(StorePartition(top, name.first, name.second, input));
  return {};
}

config::Values ValuesOf(const Json& given, const std::vector<config::OptionSpec>& options) {
  config::Values values;
  for (const config::OptionSpec& spec : options) {
    if (!given.contains(spec.name)) continue;
    const Json& json = given.at(spec.name);
    if (json.is_boolean()) {
      values.Set(spec.name, json.get<bool>());
    } else if (json.is_array()) {
      values.Set(spec.name, json.get<std::vector<std::string>>());
    } else {
      values.Set(spec.name, json.get<std::string>());
    }
  }
  return values;
}

Json ErrorJson(const Error& error) {
  return {{"code", ErrorCodeName(error.code())}, {"text", error.Text()}};
}

Json Restore(const std::string& top, const Json& given) {
  DirectoryView view(top);
  SystemClock clock;
  Progress progress;
  RestoreEnvironment surroundings;
  surroundings.context.clock = &clock;
  surroundings.context.state_dir = given.at("state");
  surroundings.delivery_limit = std::chrono::seconds(given.value("seconds", 300));
  surroundings.open_source =
      [](const rdkafka::ClientOptions&,
         const std::vector<std::string>& topics) -> Result<std::unique_ptr<Source>> {
    return std::make_unique<NamedTopics>(topics);
  };
  std::vector<std::string> saved;
  RestoreSpec spec;
  spec.snapshot = &view;
  const bool is_to_disks = given.at("options").contains("to_log_dirs");
  spec.options = ValuesOf(given.at("options"), is_to_disks ? LogDirsOptions() : ClusterOptions());
  spec.dry_run = given.value("dry_run", false);
  if (given.value("save", true)) {
    spec.save_first = [&saved](std::unique_ptr<Source> source) -> Result<std::string> {
      saved = static_cast<const NamedTopics&>(*source).topics;
      return std::string("saved");
    };
  }
  const Instant begin = clock.Monotonic();
  const auto request =
      is_to_disks ? ReadLogDirsRequest(spec.options)
                  : ReadClusterRequest(spec.options, given.value("client", rdkafka::Properties()));
  auto done = !request      ? Fail(request.error())
              : is_to_disks ? RestoreToLogDirs(surroundings.context, *request, spec, progress, {})
                            : RestoreToCluster(surroundings, *request, spec, progress, {});
  Json json = {{"saved", saved},
               {"seconds", std::chrono::duration<double>(clock.Monotonic() - begin).count()},
               {"items", progress.items.load()},
               {"bytes", progress.bytes.load()}};
  if (!done) {
    json["error"] = ErrorJson(done.error());
    return json;
  }
  json["lines"] = done->lines;
  json["warnings"] = done->warnings;
  json["resumed"] = done->resumed;
  if (done->partly) json["partly"] = ErrorJson(*done->partly);
  json["plan"] = Json::array();
  for (const PlannedChange& change : done->plan)
    json["plan"].push_back({change.what, change.name, change.target, change.parts, change.items,
                            change.there, change.action});
  return json;
}

int Run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 2 && arguments[0] == "store") {
    const Result<void> stored = Store(arguments[1]);
    if (stored) return 0;
    std::cerr << stored.error().Text() << "\n";
    return 1;
  }
  if (arguments.size() == 3 && arguments[0] == "restore") {
    std::cout << Restore(arguments[1], Json::parse(arguments[2])).dump() << std::endl;
    return 0;
  }
  std::cerr << "usage: kafka_restore_tool store DIR | restore DIR OPTIONS\n";
  return 2;
}

}  // namespace
}  // namespace holdfast::kafka

int main(int argc, char** argv) {
  return holdfast::kafka::Run(std::vector<std::string>(argv + 1, argv + argc));
}
