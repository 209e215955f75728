#include "agent/sources/etcd/backup.h"

#include <algorithm>
#include <utility>

#include "agent/sources/etcd/database_facts.h"
#include "agent/sources/etcd/member_files.h"
#include "agent/sources/etcd/snapshot_feed.h"
#include "agent/sources/etcd/survey.h"
#include "agent/sources/host/paths.h"
#include "agent/sources/member/text_item.h"
#include "common/base/format.h"

namespace holdfast::etcd {
namespace {

// Space left free on the spool's file system.
constexpr std::uint64_t kSpoolMargin = 256U << 20;

// Creates an unnamed file in `directory`. It disappears with its descriptor, also after a crash.
Result<Fd> OpenSpool(const std::string& directory, std::uint64_t bytes) {
  HF_TRY(MakeDirectories(directory, 0700));
  HF_TRY(host::CheckFreeSpace(directory, bytes + kSpoolMargin, "the snapshot"));
  return OpenNamelessFile(directory);
}

Result<DatabaseFacts> ReadFacts(int spool, std::uint64_t database_bytes) {
  auto read_at = [spool](std::uint64_t offset, std::span<std::uint8_t> target) -> Result<void> {
    return ReadAllAt(spool, target, offset, "the spooled snapshot");
  };
  HF_ASSIGN(BoltFile file, BoltFile::Open(read_at, database_bytes));
  return ReadDatabaseFacts(file);
}

// Reads from a feed that the session owns.
class FeedReader final : public ByteReader {
 public:
  FeedReader(SnapshotFeed& feed, Attributes attributes)
      : feed_(feed), attributes_(std::move(attributes)) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    auto got = feed_.Read(buffer);
    if (!got) return Fail(std::move(got).error().While("read the snapshot stream"));
    return got;
  }
  Result<Outcome> Finish() override { return Outcome{.attributes = attributes_}; }

 private:
  SnapshotFeed& feed_;
  Attributes attributes_;
};

class Session final : public BackupSession {
 public:
  Session(const SourceContext& context, const Settings& settings, const BackupSpec& spec)
      : context_(context), settings_(settings), previous_(spec.previous) {}

  // Stop the feed's thread before its destructor waits for it.
  ~Session() override { stop_.request_stop(); }

  Result<void> Prepare(std::stop_token stop) override {
    forward_.emplace(stop, Forward{&stop_});
    HF_ASSIGN(auto reports, SurveyEndpoints(settings_, stop));
    if (reports.empty())
      return Fail(ErrorCode::kInvalidArgument, "no endpoint is configured to read from");
    HF_ASSIGN(EndpointChoice choice, ChooseEndpoint(reports));
    warnings_ = std::move(choice.warnings);
    chosen_ = std::move(reports[choice.index]);
    HF_ASSIGN(files_, OpenMemberFiles(context_, settings_, previous_));
    return {};
  }

  Result<void> Cut() override {
    HF_ASSIGN(messages_, chosen_.connection->OpenSnapshot(stop_.get_token()));
    cut_time_ = context_.clock->Now();
    auto spool = OpenSpool(context_.state_dir, chosen_.status.db_size + 32);
    if (!spool)
      warnings_.push_back(fmt::format(
          "the stream is read at the repository's pace, which holds etcd's read transaction open, "
          "and the snapshot's revision is not known: {}",
          spool.error().Text()));
    HF_ASSIGN(feed_, SnapshotFeed::Start([this] { return messages_->Next(); },
                                         spool ? *std::move(spool) : Fd()));
    return {};
  }

  Result<std::optional<Item>> Next() override {
    if (std::exchange(is_snapshot_given_, true)) return files_->Next();
    Attributes attributes = DocumentAttributes(cut_time_);
    attributes.size = feed_->size();
    Item item;
    item.path = kSnapshotPath;
    item.attributes = attributes;
    item.chunking = Chunking::Fixed(kBlockBytes);
    item.content = std::make_unique<FeedReader>(*feed_, attributes);
    return item;
  }

  Result<Manifest> Finish() override {
    Manifest manifest;
    manifest.method = "maintenance snapshot stream";
    manifest.consistency = "exact";
    manifest.endpoint = chosen_.endpoint;
    const StatusResponse& status = chosen_.status;
    manifest.identity["cluster_id"] = IdText(status.header.cluster_id);
    manifest.identity["member_id"] = IdText(status.header.member_id);
    manifest.identity["server_version"] = status.version;
    manifest.checksums[std::string(kSnapshotPath)] = "sha256:" + HexEncode(feed_->digest());
    manifest.details["database_bytes"] = {std::to_string(feed_->size() - 32)};
    manifest.details["database_bytes_in_use"] = {std::to_string(status.db_size_in_use)};
    if (!feed_->storage_version().empty())
      manifest.identity["storage_version"] = feed_->storage_version();
    HF_TRY(AddFacts(manifest));
    files_->Describe(manifest, warnings_);
    manifest.warnings.insert(manifest.warnings.begin(), warnings_.begin(), warnings_.end());
    return manifest;
  }

  std::uint64_t bytes_total() const override {
    return (feed_ ? feed_->size() : chosen_.status.db_size) + (files_ ? files_->bytes() : 0);
  }

 private:
  struct Forward {
    std::stop_source* target;
    void operator()() const { target->request_stop(); }
  };

  // Adds position and members: from the spooled snapshot, if there is one.
  Result<void> AddFacts(Manifest& manifest) {
    if (feed_->spool() < 0) {
      if (feed_->spool_overflowed())
        warnings_.push_back(fmt::format(
            "the snapshot's revision is not known: {} became full (hint: make room there)",
            Quote(context_.state_dir)));
      for (const MemberEntry& member : chosen_.members)
        manifest.members.push_back(DescribeMember(member));
      return {};
    }
    auto read = ReadFacts(feed_->spool(), feed_->size() - 32);
    if (!read)
      return Fail(std::move(read)
                      .error()
                      .While("read the snapshot's revision")
                      .WithHint("this member's database is damaged: read another member"));
    const DatabaseFacts& facts = *read;
    manifest.position["revision"] = std::to_string(facts.revision);
    manifest.position["raft_index"] = std::to_string(facts.raft_index);
    // Files before 3.5 do not have the term. The member's term changes only with elections.
    std::uint64_t term = facts.raft_term != 0 ? facts.raft_term : chosen_.status.raft_term;
    manifest.position["raft_term"] = std::to_string(term);
    for (const MemberEntry& member : facts.members)
      manifest.members.push_back(DescribeMember(member));
    if (!facts.cluster_version.empty())
      manifest.identity["cluster_version"] = facts.cluster_version;
    if (!facts.storage_version.empty())
      manifest.identity["storage_version"] = facts.storage_version;
    manifest.details["auth"] = {facts.is_auth_enabled ? "on" : "off"};
    manifest.details["leases"] = {std::to_string(facts.leases)};
    manifest.details["compacted_revision"] = {std::to_string(facts.compacted_revision)};
    if (!facts.alarms.empty()) manifest.details["alarms"] = AlarmTexts(facts.alarms, facts.members);
    CountKeys(manifest, facts.revision);
    return {};
  }

  // Optional: fails if a compaction since the cut removed the revision.
  void CountKeys(Manifest& manifest, std::uint64_t revision) {
    auto keys = chosen_.connection->CountKeys(revision, stop_.get_token());
    if (keys) manifest.details["keys"] = {std::to_string(*keys)};
  }

  const SourceContext& context_;
  const Settings& settings_;
  SnapshotView* previous_;
  std::stop_source stop_;  // requested by the job and by the destructor
  std::optional<std::stop_callback<Forward>> forward_;
  EndpointReport chosen_;
  std::vector<std::string> warnings_;
  std::optional<MemberFiles> files_;
  WallTime cut_time_;
  bool is_snapshot_given_ = false;
  std::unique_ptr<SnapshotMessages> messages_;
  std::unique_ptr<SnapshotFeed> feed_;  // last: its thread uses the members above
};

// Saves only this member's files. They are needed most when the member cannot be read, so the state
// of the service is reported but never fails the backup.
class MemberSession final : public BackupSession {
 public:
  MemberSession(const SourceContext& context, const Settings& settings, const BackupSpec& spec)
      : context_(context), settings_(settings), previous_(spec.previous) {}

  Result<void> Prepare(std::stop_token stop) override {
    auto reports = SurveyEndpoints(settings_, stop);
    if (!reports && reports.error().code() == ErrorCode::kCancelled)
      return Fail(std::move(reports).error());
    if (reports) {
      Describe(*reports);
    } else {
      warnings_.push_back(reports.error().Text());
    }
    HF_ASSIGN(files_, OpenMemberFiles(context_, settings_, previous_));
    stop_ = std::move(stop);
    return {};
  }

  Result<void> Cut() override { return {}; }

  Result<std::optional<Item>> Next() override {
    HF_TRY(CheckStop(stop_));
    return files_->Next();
  }

  Result<Manifest> Finish() override {
    files_->Describe(manifest_, warnings_);
    manifest_.method = "files of the member";
    manifest_.consistency = "per file";
    manifest_.warnings = std::move(warnings_);
    return std::move(manifest_);
  }

  std::uint64_t bytes_total() const override { return files_ ? files_->bytes() : 0; }

 private:
  // Adds identity and health: of the member that would be read, or else of any that answers.
  void Describe(const std::vector<EndpointReport>& reports) {
    std::uint64_t newest = 0;
    for (const EndpointReport& report : reports)
      if (!report.failure) newest = std::max(newest, report.status.raft_index);
    std::size_t readable = 0;
    const EndpointReport* answering = nullptr;
    for (const EndpointReport& report : reports) {
      if (!report.failure && answering == nullptr) answering = &report;
      if (!UnsupportedReason(report, newest)) ++readable;
    }
    manifest_.details["health"] = {
        fmt::format("{} of {} can be read", readable, FormatCount(reports.size(), "endpoint"))};
    if (reports.empty()) return;
    auto choice = ChooseEndpoint(reports);
    if (choice) {
      answering = &reports[choice->index];
      warnings_ = std::move(choice->warnings);
    } else {
      warnings_.push_back(choice.error().Text());
    }
    if (answering == nullptr) return;
    const StatusResponse& status = answering->status;
    manifest_.endpoint = answering->endpoint;
    manifest_.identity["cluster_id"] = IdText(status.header.cluster_id);
    manifest_.identity["member_id"] = IdText(status.header.member_id);
    manifest_.identity["server_version"] = status.version;
    for (const MemberEntry& member : answering->members)
      manifest_.members.push_back(DescribeMember(member));
  }

  const SourceContext& context_;
  const Settings& settings_;
  SnapshotView* previous_;
  std::stop_token stop_;
  Manifest manifest_;
  std::vector<std::string> warnings_;
  std::optional<MemberFiles> files_;
};

}  // namespace

std::string Join(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ",") + text;
  return joined;
}

std::map<std::string, std::string> DescribeMember(const MemberEntry& member) {
  std::map<std::string, std::string> text = {{"id", IdText(member.id)},
                                             {"name", member.name},
                                             {"peer_urls", Join(member.peer_urls)},
                                             {"client_urls", Join(member.client_urls)}};
  if (member.is_learner) text["learner"] = "true";
  return text;
}

std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec) {
  if (spec.scope == BackupScope::kMember)
    return std::make_unique<MemberSession>(context, settings, spec);
  return std::make_unique<Session>(context, settings, spec);
}

}  // namespace holdfast::etcd
