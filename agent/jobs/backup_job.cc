#include "agent/jobs/backup_job.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/base/format.h"
#include "common/repository/composer.h"
#include "common/repository/part_writer.h"

namespace holdfast::jobs {
namespace {

using repository::Part;
using repository::SnapshotInfo;

// The snapshot to compare with. The newest one tells best what changed; of a sharded source one
// that lacks shards would tell nothing about them.
const SnapshotInfo* FindPrevious(const std::vector<SnapshotInfo>& snapshots,
                                 const SourceSettings& source, const std::string& host,
                                 Topology topology) {
  const SnapshotInfo* newest = nullptr;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (snapshot.kind != source.kind || snapshot.name != source.name || snapshot.host != host) {
      continue;
    }
    bool is_worse = topology == Topology::kSharded && snapshot.is_partial && newest != nullptr &&
                    !newest->is_partial;
    if (!is_worse) newest = &snapshot;
  }
  return newest;
}

// Ends the reading of a large file when a stop is requested.
class StoppableReader final : public ByteReader {
 public:
  StoppableReader(std::unique_ptr<ByteReader> reader, std::stop_token stop)
      : reader_(std::move(reader)), stop_(std::move(stop)) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    if (stop_.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped by request");
    return reader_->Read(buffer);
  }
  Result<Outcome> Finish() override { return reader_->Finish(); }

 private:
  std::unique_ptr<ByteReader> reader_;
  std::stop_token stop_;
};

void MakeStoppable(Item& item, const std::stop_token& stop) {
  if (auto* reader = std::get_if<std::unique_ptr<ByteReader>>(&item.content)) {
    if (*reader != nullptr) *reader = std::make_unique<StoppableReader>(std::move(*reader), stop);
    return;
  }
  auto* reuse = std::get_if<Reuse>(&item.content);
  if (reuse == nullptr || !reuse->read) return;
  reuse->read = [read = std::move(reuse->read), stop]() -> Result<std::unique_ptr<ByteReader>> {
    HF_ASSIGN(std::unique_ptr<ByteReader> reader, read());
    return std::make_unique<StoppableReader>(std::move(reader), stop);
  };
}

// Pulls every item through the writer. The job owns pace and cancellation, once for all kinds.
Result<Part> SavePart(BackupSession& session, repository::PartWriter& writer,
                      std::stop_token stop) {
  for (;;) {
    if (stop.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped by request");
    HF_ASSIGN(std::optional<Item> item, session.Next());
    if (!item) break;
    MakeStoppable(*item, stop);
    Result<void> added = writer.Add(*std::move(item));
    // A file that is not required is left out when it cannot be read to its end; but not by us.
    if (stop.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped by request");
    if (!added) return Fail(std::move(added).error());
  }
  return writer.Finish();
}

// One backup of one source, step by step.
class SourceBackup {
 public:
  SourceBackup(const JobContext& context, const SourceSettings& settings, SourceSession& source,
               RepositorySession& repository, const std::string& note)
      : context_(context),
        settings_(settings),
        source_(source),
        repository_(repository),
        note_(note),
        host_(SnapshotHost(*context.settings, source.kind().topology)),
        progress_(context, settings.label()),
        timer_(*context.clock) {}

  BackupTaskReport Run() {
    report_.kind = settings_.kind;
    report_.name = settings_.name;
    report_.repository = settings_.repository;
    report_.recovered = source_.recovered();
    Result<void> outcome = Save();
    timer_.End();
    report_.seconds = timer_.seconds();
    if (outcome) {
      report_.state = report_.manifest.missing.empty() ? TaskState::kDone : TaskState::kPartlyDone;
    } else {
      report_.state = StateOfError(outcome.error());
      report_.error = std::move(outcome).error();
    }
    return std::move(report_);
  }

 private:
  Result<void> Save() {
    begin_ = context_.clock->Now();
    timer_.Begin("open", progress_.progress());
    HF_TRY(OpenPrevious());
    HF_ASSIGN(std::unique_ptr<BackupSession> session,
              source_.source().OpenBackup({.previous = previous_view_.get()}));
    timer_.Begin("prepare", progress_.progress());
    HF_TRY(session->Prepare(context_.stop));
    timer_.Begin("cut", progress_.progress());
    WallTime cut_time = context_.clock->Now();
    HF_TRY(session->Cut());
    report_.began = true;
    progress_.progress().bytes_total = session->bytes_total();

    timer_.Begin("save", progress_.progress());
    auto writer = repository::PartWriter::Begin(repository_.repository(),
                                                {.lock = repository_.lock(),
                                                 .previous = previous_view_.get(),
                                                 .progress = &progress_.progress()});
    HF_ASSIGN(Part part, SavePart(*session, *writer, context_.stop));
    HF_ASSIGN(Manifest manifest, session->Finish());
    session.reset();  // gives back whatever the service holds for us before we go on
    timer_.End();
    bool is_partial = CompleteManifest(manifest, part, cut_time);
    TakeStatistics(part);

    if (context_.stop.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped by request");
    timer_.Begin("compose", progress_.progress());
    HF_TRY(ComposeSnapshot(part, manifest, is_partial));
    timer_.Begin("verify", progress_.progress());
    return ReadBack();
  }

  Result<void> OpenPrevious() {
    repository::Repository& repository = repository_.repository();
    // Snapshots before the index, so that the index knows every blob of each snapshot listed.
    HF_ASSIGN(std::vector<SnapshotInfo> snapshots, repository::ListSnapshots(repository));
    HF_TRY(repository.LoadIndex(context_.stop));
    const SnapshotInfo* previous =
        FindPrevious(snapshots, settings_, host_, source_.kind().topology);
    if (previous == nullptr) return {};
    auto view = repository::OpenSnapshot(repository, *previous);
    if (!view) {
      // Damage of an old snapshot must not keep a new one from being made.
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

  // Adds what the job knows to what the session said. Returns whether something was not saved.
  bool CompleteManifest(Manifest& manifest, const Part& part, WallTime cut_time) {
    const Settings& settings = *context_.settings;
    manifest.holdfast_version = HOLDFAST_VERSION;
    manifest.run = context_.run;
    manifest.note = note_;
    manifest.kind = settings_.kind;
    manifest.name = settings_.name;
    manifest.cluster = settings.cluster;
    manifest.topology = TopologyName(source_.kind().topology);
    if (source_.kind().topology == Topology::kLocal) manifest.node = settings.node;
    manifest.cut_time = cut_time;
    manifest.parts = {{.node = settings.node,
                       .tree_id = part.tree.Hex(),
                       .items = part.statistics.items,
                       .bytes = part.statistics.bytes_processed,
                       .seconds = timer_.seconds()}};
    for (const repository::LeftOut& left_out : part.left_out) {
      manifest.missing.push_back({left_out.path, left_out.error.message(), left_out.error.hint()});
    }
    bool is_partial = !manifest.missing.empty();
    for (const std::string& path : part.changed) {
      manifest.missing.push_back({path, "changed while it was read; what was read is saved",
                                  "save it again while nothing writes to it"});
    }
    return is_partial;
  }

  void TakeStatistics(const Part& part) {
    report_.items = part.statistics.items;
    report_.bytes = part.statistics.bytes_processed;
    report_.bytes_read = part.statistics.bytes_read;
    report_.bytes_added = part.statistics.blobs.bytes_added;
    report_.bytes_stored = part.statistics.blobs.bytes_packed;
  }

  Result<void> ComposeSnapshot(const Part& part, const Manifest& manifest, bool is_partial) {
    repository::ComposeOptions options;
    options.host = host_;
    options.path = fmt::format("/{}/{}", settings_.kind, settings_.name);
    options.tags = {"run:" + context_.run};
    if (!manifest.cluster.empty()) options.tags.push_back("cluster:" + manifest.cluster);
    options.tags.push_back("kind:" + settings_.kind);
    if (is_partial) options.tags.push_back("partial");
    options.parent = parent_;
    options.user = context_.user;
    options.lock = repository_.lock();
    options.begin = begin_;
    HF_ASSIGN(snapshot_,
              repository::Compose(repository_.repository(), {&part, 1}, manifest, options));
    report_.snapshot = snapshot_.Hex();
    report_.manifest = manifest;
    report_.warnings.insert(report_.warnings.end(), manifest.warnings.begin(),
                            manifest.warnings.end());
    return {};
  }

  // A backup counts when it has been read back: snapshot file, top directory and manifest come from
  // the storage again. A stop no longer matters, the snapshot is visible.
  Result<void> ReadBack() {
    Result<void> outcome = TryReadBack();
    if (outcome) return {};
    return Fail(std::move(outcome)
                    .error()
                    .While(fmt::format("read back snapshot {}", report_.snapshot.substr(0, 8)))
                    .WithHint("run `holdfast-agent check --read-data` and back up again"));
  }

  Result<void> TryReadBack() {
    repository::Repository& repository = repository_.repository();
    HF_ASSIGN(std::vector<SnapshotInfo> snapshots, repository::ListSnapshots(repository));
    auto found = std::ranges::find(snapshots, snapshot_, &SnapshotInfo::id);
    if (found == snapshots.end()) return Fail(ErrorCode::kCorrupt, "it is not in the repository");
    HF_ASSIGN(auto view, repository::OpenSnapshot(repository, *found));
    if (!view->manifest() || view->manifest()->run != context_.run) {
      return Fail(ErrorCode::kCorrupt, "its manifest is not the one that was written");
    }
    return view->List("", [](const ViewEntry&) { return Result<void>{}; });
  }

  const JobContext& context_;
  const SourceSettings& settings_;
  SourceSession& source_;
  RepositorySession& repository_;
  const std::string& note_;
  std::string host_;
  ObservedProgress progress_;
  PhaseTimer timer_;
  WallTime begin_;
  std::unique_ptr<SnapshotView> previous_view_;
  std::optional<repository::Id> parent_;
  repository::Id snapshot_;
  BackupTaskReport report_;
};

// A run over several sources; each repository is opened once.
class BackupRun {
 public:
  BackupRun(const JobContext& context, const std::string& note) : context_(context), note_(note) {}

  BackupTaskReport One(const SourceSettings& settings) {
    BackupTaskReport report;
    report.kind = settings.kind;
    report.name = settings.name;
    report.repository = settings.repository;
    Result<BackupTaskReport> outcome = Try(settings);
    if (outcome) return *std::move(outcome);
    report.state = StateOfError(outcome.error());
    report.error = std::move(outcome).error();
    return report;
  }

 private:
  Result<BackupTaskReport> Try(const SourceSettings& settings) {
    if (context_.stop.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped by request");
    HF_ASSIGN(std::unique_ptr<SourceSession> source,
              SourceSession::Open(context_, settings, "backup"));
    const auto& repository = RepositoryOf(settings);
    if (!repository) return Fail(repository.error());
    return BackUpSource(context_, settings, *source, **repository, note_);
  }

  // Opening costs a second of scrypt and a lock, and would fail for each source alike.
  const Result<std::unique_ptr<RepositorySession>>& RepositoryOf(const SourceSettings& settings) {
    auto opened = repositories_.find(settings.repository);
    if (opened == repositories_.end()) {
      const RepositorySettings* found = context_.settings->FindRepository(settings.repository);
      HF_CHECK(found != nullptr);
      opened =
          repositories_
              .emplace(settings.repository,
                       RepositorySession::Open(context_, AddressOf(*found), LockUse::kRequired))
              .first;
    }
    return opened->second;
  }

  const JobContext& context_;
  const std::string& note_;
  std::map<std::string, Result<std::unique_ptr<RepositorySession>>> repositories_;
};

}  // namespace

BackupReport RunBackup(const JobContext& context, const std::vector<const SourceSettings*>& sources,
                       const std::string& note) {
  BackupReport report;
  report.run = context.run;
  report.begin = context.clock->Now();
  BackupRun run(context, note);
  for (const SourceSettings* source : sources) report.tasks.push_back(run.One(*source));
  report.end = context.clock->Now();
  return report;
}

BackupTaskReport BackUpSource(const JobContext& context, const SourceSettings& settings,
                              SourceSession& source, RepositorySession& repository,
                              const std::string& note) {
  return SourceBackup(context, settings, source, repository, note).Run();
}

}  // namespace holdfast::jobs
