#include "agent/jobs/backup/backup_task.h"

#include <utility>

#include "agent/jobs/backup/prefetcher.h"
#include "agent/jobs/parts/part_record.h"
#include "agent/jobs/session/bandwidth.h"
#include "agent/jobs/session/mount_check.h"
#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/rate_limit.h"
#include "common/base/version.h"
#include "common/base/wait.h"
#include "common/repository/snapshot/repository_view.h"

namespace holdfast::jobs {
namespace {

using repository::Part;
using repository::SnapshotInfo;

// Stops reading a large file on a stop request, and applies rate limits.
class PacedReader final : public ByteReader {
 public:
  PacedReader(std::unique_ptr<ByteReader> reader, RateLimits limits, std::stop_token stop)
      : reader_(std::move(reader)), limits_(std::move(limits)), stop_(std::move(stop)) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    HF_TRY(CheckStop(stop_));
    HF_ASSIGN(const std::size_t count, reader_->Read(buffer));
    if (!limits_.empty() && !WaitFor(limits_.Take(count), stop_)) return Stopped();
    return count;
  }
  Result<Outcome> Finish() override { return reader_->Finish(); }

 private:
  std::unique_ptr<ByteReader> reader_;
  const RateLimits limits_;
  const std::stop_token stop_;
};

void Pace(Item& item, const RateLimits& limits, const std::stop_token& stop) {
  if (auto* reader = std::get_if<std::unique_ptr<ByteReader>>(&item.content)) {
    if (*reader == nullptr) return;
    *reader = std::make_unique<PacedReader>(std::move(*reader), limits, stop);
    return;
  }
  auto* reuse = std::get_if<Reuse>(&item.content);
  if (reuse == nullptr || !reuse->read) return;
  reuse->read = [read = std::move(reuse->read), limits,
                 stop]() -> Result<std::unique_ptr<ByteReader>> {
    HF_ASSIGN(std::unique_ptr<ByteReader> reader, read());
    return std::make_unique<PacedReader>(std::move(reader), limits, stop);
  };
}

// Passes every item to the writer. Rate limits and cancellation are handled here for all kinds.
Result<void> SaveItems(Prefetcher& items, repository::PartWriter& writer, const RateLimits& limits,
                       const std::stop_token& stop) {
  for (;;) {
    HF_TRY(CheckStop(stop));
    HF_ASSIGN(std::optional<Item> item, items.Next());
    if (!item) return {};
    Pace(*item, limits, stop);
    Result<void> added = writer.Add(*std::move(item));
    // The writer leaves out an optional file that fails to read. A stop must not count as such a
    // failure.
    HF_TRY(CheckStop(stop));
    if (!added) return added;
  }
}

std::string WithoutResumeLog(const Error& error) {
  return "the record for resuming could not be kept, so an interrupted backup would read "
         "everything again: " +
         error.Text();
}

unsigned ReadersOf(const AgentSettings& settings, const SourceSettings& source) {
  return source.readers > 0 ? source.readers : settings.limits.readers;
}

// What a task with this scope saves, for an error. REQUIRES: not every kind supports the scope.
std::string_view ScopeName(BackupScope scope) {
  if (IsRest(scope)) return "the shards that no other node has saved";
  return IsSharded(scope) ? "a node's own shards" : "a member's own files";
}

}  // namespace

BackupTask::BackupTask(JobContext context, BackupTaskOptions options)
    : context_(std::move(context)),
      options_(std::move(options)),
      progress_(context_, options_.settings->label()),
      timer_(*context_.clock),
      repository_(options_.repository),
      source_(options_.source) {
  report_.kind = options_.settings->kind;
  report_.name = options_.settings->name;
  report_.repository = options_.settings->repository;
}

BackupTask::~BackupTask() = default;

Result<void> BackupTask::Prepare() {
  begin_ = context_.clock->Now();
  timer_.Begin("open", progress_.progress());
  HF_TRY(Open());
  // Snapshots before the index, so that the index knows every blob of each snapshot listed.
  HF_ASSIGN(const repository::SnapshotListing listing,
            repository::ListReadableSnapshots(repository_->repository()));
  // Unreadable snapshots must not prevent a new one.
  for (const repository::UnreadableSnapshot& unreadable : listing.unreadable) {
    report_.warnings.push_back(unreadable.error.Text());
  }
  repository::Repository& target = repository_->repository();
  HF_TRY(options_.rehash ? target.index().Load(context_.stop)
                         : target.index().LoadWithCache(context_.stop));
  HF_TRY(OpenPrevious(listing.snapshots));
  HF_TRY(OpenOthers());
  BackupSpec spec{.previous = previous_view_.get(), .scope = options_.scope};
  for (const auto& view : other_views_) spec.others.push_back(view.get());
  spec.before_restore = options_.before_restore;
  spec.staged = options_.staged;
  HF_ASSIGN(session_, source_->source().OpenBackup(spec));
  timer_.Begin("prepare", progress_.progress());
  HF_TRY(session_->Prepare(context_.stop));
  timer_.End();
  return {};
}

Result<void> BackupTask::Open() {
  HF_TRY(CheckStop(context_.stop));
  if (source_ == nullptr) {
    HF_ASSIGN(own_source_, SourceSession::Open(context_, *options_.settings, "backup"));
    source_ = own_source_.get();
  }
  report_.recovered = source_->recovered().text;
  if (!source_->kind().HasScope(options_.scope)) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("sources of kind {} cannot save {}", Quote(options_.settings->kind),
                            ScopeName(options_.scope)),
                "back up the whole source");
  }
  const SourceKind& kind = source_->kind();
  slot_ = {options_.settings->kind, options_.settings->name,
           SnapshotHost(*context_.settings, kind.topology)};
  if (repository_ != nullptr) return {};
  const RepositorySettings* found = context_.settings->FindRepository(report_.repository);
  HF_CHECK(found != nullptr);
  HF_ASSIGN(own_repository_,
            RepositorySession::Open(context_, AddressOf(*found), LockUse::kRequired));
  repository_ = own_repository_.get();
  return {};
}

Result<void> BackupTask::OpenPrevious(const std::vector<SnapshotInfo>& snapshots) {
  if (options_.rehash) return {};
  const SnapshotInfo* previous = FindPrevious(snapshots, slot_, source_->kind().topology);
  if (previous == nullptr) return {};
  auto view = repository::OpenSnapshot(repository_->repository(), *previous);
  if (!view) {
    // A damaged old snapshot must not prevent a new one.
    report_.warnings.push_back(fmt::format("previous snapshot {} is not used: {}",
                                           previous->id.Hex().substr(0, 8),
                                           view.error().message()));
    return {};
  }
  previous_view_ = *std::move(view);
  parent_ = previous->id;
  report_.parent = previous->id.Hex();
  return {};
}

Result<void> BackupTask::OpenOthers() {
  std::uint64_t bytes_left = kPartRecordsBytesMax;
  for (const BackupTaskOptions::OtherPart& other : options_.others) {
    const std::string name = fmt::format("part of node {}", Quote(other.node));
    Result<PartRecord> record = LoadPartRecord(repository_->repository(), other.tree, bytes_left);
    if (!record) return Fail(std::move(record).error().While(name));
    Result<void> checked =
        CheckPartRecord(*record, {slot_.kind, slot_.name, context_.run, other.node});
    if (!checked) return Fail(std::move(checked).error().While(name));
    repository::TreeNode top;
    top.attributes.type = NodeType::kDirectory;
    top.subtree = other.tree;
    other_views_.push_back(std::make_unique<repository::RepositoryView>(
        repository_->repository(), other.tree, std::move(top), std::move(record->manifest)));
  }
  return {};
}

Result<WallTime> BackupTask::Cut() {
  HF_CHECK(session_ != nullptr);
  HF_TRY(CheckStop(context_.stop));
  timer_.Begin("cut", progress_.progress());
  WallTime cut_time = context_.clock->Now();
  HF_TRY(session_->Cut());
  timer_.End();
  report_.began = true;
  saved_.manifest.cut_time = cut_time;
  progress_.progress().bytes_total = session_->bytes_total();
  return cut_time;
}

Result<void> BackupTask::Save() {
  HF_CHECK(session_ != nullptr && report_.began);
  timer_.Begin("save", progress_.progress());
  BeginResumeLog();
  HF_ASSIGN(part_, SavePart());
  // Release everything that the service holds for us.
  session_.reset();
  previous_view_.reset();
  other_views_.clear();
  own_source_.reset();
  timer_.End();
  PartManifest& own = saved_.manifest.parts.front();
  own.tree_id = part_.tree.Hex();
  own.seconds = timer_.seconds();
  TakeStatistics(part_);
  if (!options_.compose) EndResumeLog();
  CrashPoint("jobs.part.after_save");
  return {};
}

// A missing log only matters if the run is interrupted, so its failure is a warning.
void BackupTask::BeginResumeLog() {
  if (options_.rehash) return;
  const SourceSettings& settings = *options_.settings;
  auto log = repository::ResumeLog::Begin(
      repository_->repository().keys().NewLocalSealer(repository::ResumeLog::kKeyLabel),
      context_.settings->state_dir + "/resume", fmt::format("{}-{}", settings.kind, settings.name),
      context_.run, saved_.manifest.cut_time);
  if (log) {
    resume_ = *std::move(log);
  } else {
    report_.warnings.push_back(WithoutResumeLog(log.error()));
  }
}

// The part is saved, so there is nothing to resume.
void BackupTask::EndResumeLog() {
  if (resume_ == nullptr) return;
  if (resume_->failure()) report_.warnings.push_back(WithoutResumeLog(*resume_->failure()));
  resume_->Forget();
  resume_.reset();
}

Result<Part> BackupTask::SavePart() {
  repository::PartOptions options{.lock = repository_->lock(),
                                  .resume = resume_.get(),
                                  .previous = previous_view_.get(),
                                  .progress = &progress_.progress()};
  if (options_.rehash) options.known = repository::KnownBlobs::kVerify;
  if (const std::string& compression = options_.settings->compression; !compression.empty()) {
    options.compression = CompressionOf(compression);
  }
  auto writer = repository::PartWriter::Begin(repository_->repository(), options);
  const RateLimits limits = context_.bandwidth == nullptr
                                ? RateLimits()
                                : context_.bandwidth->OfSource(options_.settings->label());
  {
    Prefetcher items(*session_, ReadersOf(*context_.settings, *options_.settings),
                     progress_.progress(), resume_.get());
    HF_TRY(SaveItems(items, *writer, limits, context_.stop));
  }
  WallTime cut_time = saved_.manifest.cut_time;
  HF_ASSIGN(saved_.manifest, session_->Finish());
  saved_.manifest.cut_time = cut_time;
  AddMissing(UnmountedPaths(context_, *options_.settings), saved_.manifest.missing);
  HF_ASSIGN(const Part* part, writer->part());
  CompleteManifest(*part);
  if (!options_.compose) HF_TRY(AddRecord(*writer, part->statistics));
  return writer->Finish();
}

// Adds what the job knows to the session's manifest, except the tree id, which is not known yet.
void BackupTask::CompleteManifest(const Part& part) {
  const AgentSettings& settings = *context_.settings;
  const Topology topology = source_->kind().topology;
  Manifest& manifest = saved_.manifest;
  manifest.holdfast_version = Version();
  manifest.holdfast_commit = Commit();
  manifest.run = context_.run;
  manifest.note = options_.note;
  manifest.kind = options_.settings->kind;
  manifest.name = options_.settings->name;
  manifest.cluster = settings.cluster;
  manifest.topology = TopologyName(topology);
  if (topology == Topology::kLocal) manifest.node = settings.node;
  manifest.parts = {{.node = settings.node,
                     .items = part.statistics.items,
                     .bytes = part.statistics.bytes_processed,
                     .seconds = timer_.seconds(),
                     .is_rest = IsRest(options_.scope)}};
  for (const repository::LeftOut& left_out : part.left_out) {
    manifest.missing.push_back({left_out.path, left_out.error.message(), left_out.error.hint()});
  }
  is_partial_ = !manifest.missing.empty();
  for (const std::string& path : part.changed) {
    manifest.missing.push_back({path, "changed while it was read; what was read is saved",
                                "back it up again while nothing writes to it"});
  }
}

Result<void> BackupTask::AddRecord(repository::PartWriter& writer,
                                   const repository::PartStatistics& statistics) {
  timer_.Begin("save", progress_.progress());  // includes the time until now in `seconds`
  saved_.manifest.parts.front().seconds = timer_.seconds();
  PartRecord record{.manifest = saved_.manifest,
                    .has_data = HasData(options_.scope),
                    .is_partial = is_partial_,
                    .statistics = statistics,
                    .parent = parent_};
  record.manifest.warnings.insert(record.manifest.warnings.begin(), report_.warnings.begin(),
                                  report_.warnings.end());
  return writer.AddOwnFile(kPartRecordName, AsBytes(EncodePartRecord(record)),
                           saved_.manifest.cut_time);
}

void BackupTask::TakeStatistics(const Part& part) {
  saved_.node = context_.settings->node;
  saved_.tree = part.tree;
  saved_.scope = options_.scope;
  saved_.items = report_.counts.items = part.statistics.items;
  saved_.bytes = report_.counts.bytes = part.statistics.bytes_processed;
  saved_.bytes_read = report_.bytes_read = part.statistics.bytes_read;
  saved_.bytes_added = report_.counts.bytes_added = part.statistics.blobs.bytes_added;
  saved_.bytes_stored = report_.counts.bytes_stored = part.statistics.blobs.bytes_packed;
  report_.blobs_repaired = part.statistics.blobs.blobs_repaired;
  saved_.warnings = report_.warnings;
  const std::vector<std::string>& said = saved_.manifest.warnings;
  saved_.warnings.insert(saved_.warnings.end(), said.begin(), said.end());
}

Result<ComposedSnapshot> BackupTask::Compose() {
  HF_CHECK(options_.compose && !saved_.tree.IsZero());
  HF_TRY(CheckStop(context_.stop));
  timer_.Begin("compose", progress_.progress());
  const Composition composition{.slot = slot_,
                                .parts = {part_},
                                .manifest = saved_.manifest,
                                .is_partial = is_partial_,
                                .parent = parent_,
                                .time = begin_};
  HF_ASSIGN(repository::Id snapshot, WriteSnapshot(context_, *repository_, composition, nullptr));
  report_.snapshot = snapshot.Hex();
  report_.manifest = saved_.manifest;
  report_.warnings = saved_.warnings;
  timer_.Begin("verify", progress_.progress());
  HF_ASSIGN(ComposedSnapshot composed, ReadBack(context_, *repository_, snapshot));
  report_.host = composed.host;
  report_.time = composed.time;
  report_.is_partial = composed.is_partial;
  report_.counts = composed.counts;
  EndResumeLog();
  repository_->KeepIndex(context_);
  return composed;
}

HeldPart BackupTask::TakePart() {
  HF_CHECK(!options_.compose && !saved_.tree.IsZero() && own_repository_ != nullptr);
  own_repository_->KeepIndex(context_);
  return {std::move(own_repository_)};
}

BackupTaskReport BackupTask::TakeReport(const Result<void>& outcome) {
  timer_.End();
  report_.seconds = timer_.seconds();
  if (outcome) {
    report_.state = !report_.manifest.invalid.empty()   ? TaskOutcome::kInvalid
                    : !report_.manifest.missing.empty() ? TaskOutcome::kPartlyDone
                                                        : TaskOutcome::kDone;
  } else {
    report_.state = OutcomeOfError(outcome.error());
    report_.error = outcome.error();
  }
  return std::move(report_);
}

}  // namespace holdfast::jobs
