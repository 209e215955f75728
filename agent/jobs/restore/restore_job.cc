#include "agent/jobs/restore/restore_job.h"

#include <unistd.h>

#include <utility>

#include "agent/jobs/restore/method_choice.h"
#include "agent/jobs/restore/ordered_snapshot.h"
#include "agent/jobs/restore/restore_target.h"
#include "agent/jobs/session/snapshot_finder.h"
#include "agent/jobs/session/snapshot_path.h"
#include "agent/jobs/session/source_session.h"
#include "agent/journal/restore_journal.h"
#include "agent/settings/policy.h"
#include "common/base/first_few.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/base/source_name.h"
#include "common/config/method.h"
#include "common/stream/original_path.h"

namespace holdfast::jobs {
namespace {

using repository::SnapshotInfo;

std::string ShortId(const std::string& id) { return id.substr(0, 8); }

Result<void> ExpectPath(SnapshotView& view, const std::string& path) {
  HF_ASSIGN(std::optional<Attributes> found, view.Stat(path));
  if (found) return {};
  std::string parent = path;
  for (bool exists = false; !exists && !parent.empty();) {
    parent.resize(PathAbove(parent).size());
    if (parent.empty()) break;
    HF_ASSIGN(const std::optional<Attributes> above, view.Stat(parent));
    exists = above && above->type == NodeType::kDirectory;
  }
  std::string entries;
  std::size_t count = 0;
  HF_TRY(view.List(parent, [&](const ViewEntry& entry) {
    if (++count <= 10) entries += (entries.empty() ? "" : ", ") + Quote(entry.name);
    return Result<void>{};
  }));
  if (count > 10) entries += fmt::format(" and {} more", count - 10);
  if (entries.empty()) entries = "no entries";
  return Fail(ErrorCode::kNotFound, fmt::format("no path {} in the snapshot", Quote(path)),
              fmt::format("{} has {}; `holdfast-agent ls SNAPSHOT --recursive` lists all paths",
                          parent.empty() ? "its top directory" : Quote(parent), entries));
}

class Restore {
 public:
  Restore(const JobContext& context, const std::vector<RepositoryAddress>& repositories,
          const RestoreOptions& options)
      : context_(context),
        repositories_(repositories),
        options_(options),
        progress_(context, "restore " + options.selector),
        timer_(*context.clock) {
    report_.run = context.run;
    report_.directory = options.directory;
    report_.dry_run = options.dry_run;
    if (options.mode == RestoreMode::kStaging) {
      report_.directory = options.root + "/" + options.directory;
    }
  }

  RestoreReport Run() {
    Result<void> outcome = Try();
    if (repository_ != nullptr) {
      if (Result<void> settled = repository_->Settle(); !settled) outcome = std::move(settled);
    }
    timer_.End();
    report_.seconds = timer_.seconds();
    if (outcome) {
      if (!report_.error) report_.state = TaskOutcome::kDone;
    } else {
      report_.state = OutcomeOfError(outcome.error());
      report_.error = std::move(outcome).error();
    }
    return std::move(report_);
  }

 private:
  Result<void> Try() {
    timer_.Begin("open", progress_.progress());
    const bool takes_safety_snapshot =
        options_.mode == RestoreMode::kInPlace && options_.safety_snapshot && !options_.dry_run;
    LockUse lock_use = takes_safety_snapshot ? LockUse::kRequired : LockUse::kIfCan;
    // A restore to a directory can be resumed if the lock is refused later.
    const LockWait wait = IsToDirectory() ? LockWait::kLater : LockWait::kHere;
    HF_ASSIGN(FoundSnapshot found,
              FindInRepositories(context_, repositories_, Choice(), lock_use, wait));
    snapshot_ = std::move(found.snapshot);
    repository_ = std::move(found.session);
    report_.repository = repository_->address().label();
    report_.snapshot = snapshot_.id.Hex();
    report_.kind = snapshot_.kind;
    report_.name = snapshot_.name;
    report_.is_safety = snapshot_.is_safety;
    report_.warnings = std::move(found.warnings);
    report_.warnings.insert(report_.warnings.end(), repository_->warnings().begin(),
                            repository_->warnings().end());
    HF_TRY(repository_->repository().index().Load(context_.stop));
    HF_ASSIGN(view_, repository::OpenSnapshot(repository_->repository(), snapshot_));
    WarnOfMissing();
    switch (options_.mode) {
      case RestoreMode::kDirectory:
      case RestoreMode::kStaging:
        return ToDirectory();
      case RestoreMode::kInPlace:
        return InPlace();
      case RestoreMode::kMethod:
        return ByMethod();
    }
    return {};
  }

  SnapshotChoice Choice() const {
    SnapshotChoice choice = {.selector = options_.selector, .is_undo = options_.undo};
    if (options_.ordered) {
      choice.check = [this](const SnapshotInfo& found, const repository::SnapshotListing& all) {
        return CheckOrdered(*options_.ordered, found, all);
      };
    }
    return choice;
  }

  // Warns if the snapshot is invalid or partial.
  void WarnOfMissing() {
    if (!view_->manifest()) return;
    for (const std::string& reason : view_->manifest()->invalid) {
      report_.warnings.push_back("this snapshot is invalid: " + reason);
    }
    if (view_->manifest()->missing.empty()) return;
    std::vector<std::string> missing;
    for (const Missing& one : view_->manifest()->missing)
      missing.push_back(fmt::format("{} ({})", one.what, one.reason));
    report_.warnings.push_back("this snapshot does not have: " + JoinFirst(missing));
  }

  Result<void> ToDirectory() {
    if (!options_.kind_options.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} does not go with --to",
                              config::FlagText(options_.kind_options.begin()->first)));
    }
    HF_ASSIGN(ExtractOptions extract, ReadExtractOptions());
    LeftOutList left_out;
    if (options_.mode == RestoreMode::kStaging) {
      // The node's owner did not choose the snapshot.
      HF_ASSIGN(const Policy policy, ReadPolicy());
      extract.special = policy.restore_special;
      extract.left_out = &left_out;
    }
    const RestoreTarget::Use use = {.what = WhatIsRestored(),
                                    .may_be_full = options_.overwrite.has_value(),
                                    .is_dry_run = options_.dry_run};
    HF_ASSIGN(RestoreTarget target,
              options_.mode == RestoreMode::kStaging
                  ? RestoreTarget::Beneath(options_.root, options_.directory, use)
                  : RestoreTarget::At(options_.directory, use));
    report_.directory = target.shown();
    HF_TRY(GoOn(target, extract));
    timer_.Begin("extract", progress_.progress());
    if (!options_.dry_run) {
      HF_TRY(target.Begin());
      report_.began = true;
    }
    Result<ExtractOutcome> extracted = Extract(target.path(), extract);
    if (!extracted) {
      target.GiveUp();
      const Error& error = extracted.error();
      Error cleaned =
          Error(error.code(), target.Clean(error.message())).WithHint(target.Clean(error.hint()));
      if (options_.dry_run) return Fail(std::move(cleaned));
      return Fail(std::move(cleaned).WithHint("run the same command again to resume the restore"));
    }
    if (!options_.dry_run) HF_TRY(target.End());
    ExtractOutcome& outcome = *extracted;
    report_.items = outcome.items;
    report_.bytes = outcome.bytes;
    report_.unchanged = outcome.unchanged;
    report_.skipped = outcome.skipped;
    report_.removed = outcome.removed;
    if (!extract.restore_owner) {
      report_.warnings.push_back(
          "files belong to the caller, because only root can set other owners");
    }
    for (std::string& warning : outcome.warnings) {
      report_.warnings.push_back(target.Clean(std::move(warning)));
    }
    ReportLeftOut(left_out, report_.warnings);
    return {};
  }

  Result<Policy> ReadPolicy() const {
    HF_CHECK(context_.settings != nullptr);
    return LoadPolicy(PolicyPath(*context_.settings), TargetMethodsOf(*context_.kinds));
  }

  // At the beginning, because a report to the controller has only the first lines.
  void ReportLeftOut(const LeftOutList& left_out, std::vector<std::string>& lines) const {
    if (left_out.empty()) return;
    std::vector<std::string> all = {
        fmt::format("special files and rights were left out; to restore them, too, name them in "
                    "\"restore_special\" in {}",
                    PolicyPath(*context_.settings))};
    for (std::string& line : left_out.Lines()) all.push_back(std::move(line));
    lines.insert(lines.begin(), all.begin(), all.end());
  }

  bool IsToDirectory() const {
    return options_.mode == RestoreMode::kDirectory || options_.mode == RestoreMode::kStaging;
  }

  // Returns only once the lock is certain. Until then, data may be removed while it is read.
  Result<ExtractOutcome> Extract(const std::string& directory, const ExtractOptions& extract) {
    const StopWhenRefused stop(*repository_, context_.stop);
    Result<ExtractOutcome> extracted =
        view_->Extract(directory, extract, progress_.progress(), stop.token());
    HF_TRY(repository_->Settle());
    if (extracted && extracted->items == 0 && extracted->skipped == 0 && !extract.include.empty()) {
      return Fail(ErrorCode::kNotFound,
                  fmt::format("no path in snapshot {} matches --include {}",
                              ShortId(report_.snapshot), JoinFirstQuoted(options_.include)),
                  fmt::format("`holdfast-agent ls {} --recursive` lists its paths",
                              ShortId(report_.snapshot)));
    }
    return extracted;
  }

  Result<ExtractOptions> ReadExtractOptions() {
    ExtractOptions extract;
    HF_ASSIGN(const std::string path,
              ResolvePath(*view_, context_.OriginalRoot(snapshot_.kind), options_.path));
    if (!path.empty()) {
      HF_TRY(ExpectPath(*view_, path));
      extract.paths.push_back(path);
    }
    HF_ASSIGN(extract.strip, StrippedPrefix(*view_, path, options_.strip));
    const bool has_patterns = !options_.include.empty() || !options_.exclude.empty();
    if (options_.delete_extraneous && options_.directory == "/" && !has_patterns) {
      return Fail(ErrorCode::kInvalidArgument,
                  "--delete in / would remove everything that the snapshot does not have",
                  "limit it with --include or --exclude");
    }
    // Only root can set owners; otherwise every file would cause a warning.
    extract.restore_owner = ::geteuid() == 0;
    const std::string_view root = context_.OriginalRoot(snapshot_.kind);
    for (const std::string& pattern : options_.include) {
      extract.include.push_back(PatternInSnapshot(root, pattern));
    }
    for (const std::string& pattern : options_.exclude) {
      extract.exclude.push_back(PatternInSnapshot(root, pattern));
    }
    extract.overwrite = options_.overwrite.value_or(Overwrite::kIfChanged);
    extract.delete_extraneous = options_.delete_extraneous;
    extract.spare = RestoreTarget::kMark;
    extract.dry_run = options_.dry_run;
    extract.on_change = options_.on_change;
    return extract;
  }

  // Identifies the restored files for the mark, see RestoreTarget::Use.
  std::string WhatIsRestored() const {
    std::string what = report_.snapshot + " " + Quote(TrimSlashes(options_.path));
    for (const std::string& pattern : options_.include) what += " include " + Quote(pattern);
    for (const std::string& pattern : options_.exclude) what += " exclude " + Quote(pattern);
    if (options_.strip > 0) what += fmt::format(" strip {}", options_.strip);
    return what;
  }

  // Sets up resuming. After a crash, size and mtime of an existing file do not prove its content,
  // because the last writes may be lost. Then contents are compared.
  Result<void> GoOn(const RestoreTarget& target, ExtractOptions& extract) {
    if (!target.has_unfinished()) return {};
    extract.resumes = true;
    report_.resumed = true;
    if (!target.has_crashed()) return {};
    if (extract.overwrite == Overwrite::kIfNewer || extract.overwrite == Overwrite::kNever) {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format(
              "the machine crashed during a restore to {}, and files there may be incomplete",
              Quote(target.shown())),
          "--overwrite if-changed compares them with the snapshot");
    }
    extract.overwrite = Overwrite::kAlways;
    return {};
  }

  Result<const SourceKind*> KindOfSnapshot() const {
    const SourceKind* kind = snapshot_.kind.empty() ? nullptr : context_.FindKind(snapshot_.kind);
    if (kind != nullptr) return kind;
    return Fail(
        ErrorCode::kUnsupported,
        snapshot_.kind.empty()
            ? fmt::format("snapshot {} was not created by Holdfast", ShortId(report_.snapshot))
            : fmt::format("snapshot {} is of kind {}, which this agent does not know",
                          ShortId(report_.snapshot), Quote(snapshot_.kind)),
        "restore it to a directory: --to DIR");
  }

  // The configured source that the snapshot belongs to.
  Result<const SourceSettings*> SourceOfSnapshot(const SourceKind& kind) const {
    if (context_.settings == nullptr) {
      return Fail(ErrorCode::kInvalidArgument, "restore in place needs the source's configuration",
                  "give --config FILE instead of --repository-url, or restore to a directory");
    }
    const SourceSettings* source =
        context_.settings->FindSource(snapshot_.kind, snapshot_.source_name());
    if (source == nullptr) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("no source {} in {}; expected the one that snapshot {} is of",
                              Quote(snapshot_.kind + "/" + snapshot_.source_name()),
                              Quote(context_.settings->file), ShortId(report_.snapshot)),
                  "add it to the sources, or restore to a directory: --to DIR");
    }
    if (kind.topology == Topology::kLocal && snapshot_.host != context_.settings->node) {
      return Fail(
          ErrorCode::kDenied,
          fmt::format("snapshot {} is of node {}, this node is {}", ShortId(report_.snapshot),
                      Quote(snapshot_.host), Quote(context_.settings->node)),
          "restore it in place on its own node, or here to a directory: --to DIR");
    }
    return source;
  }

  Result<void> InPlace() {
    HF_ASSIGN(const SourceKind* kind, KindOfSnapshot());
    HF_ASSIGN(MethodChoice chosen, ChooseRestoreMethod(options_, *kind, *context_.kinds));
    HF_TRY(CheckDryRun(*chosen.method));
    HF_ASSIGN(const SourceSettings* settings, SourceOfSnapshot(*kind));
    HF_ASSIGN(const std::string path,
              ResolvePath(*view_, context_.OriginalRoot(snapshot_.kind), options_.path));
    if (!path.empty()) HF_TRY(ExpectPath(*view_, path));
    HF_ASSIGN(std::unique_ptr<SourceSession> source,
              SourceSession::Open(context_, *settings, "restore",
                                  options_.dry_run ? Unfinished::kRefuse : Unfinished::kRecover));
    report_.recovered = source->recovered().text;
    HF_ASSIGN(const Policy policy, ReadPolicy());
    UntrustedView untrusted(*view_, policy.restore_special);
    RestoreJournal journal(context_.settings->state_dir, {.run = context_.run,
                                                          .kind = settings->kind,
                                                          .name = settings->name,
                                                          .snapshot = report_.snapshot,
                                                          .begin = context_.clock->Now(),
                                                          .state = ""});
    HF_ASSIGN(std::unique_ptr<RestoreSession> session,
              std::get<InPlaceRestore>(chosen.method->open)
                  .open(MakeSourceContext(context_, *kind, settings->name), settings->values,
                        {.snapshot = &untrusted,
                         .journal = &journal,
                         .options = std::move(chosen.options),
                         .policy = {.roots = policy.in_place_roots, .file = policy.file},
                         .path = path,
                         .allow_invalid = options_.allow_invalid,
                         // What a partial safety snapshot does not have may have existed.
                         .keep_others = snapshot_.is_safety && snapshot_.is_partial}));
    timer_.Begin("preflight", progress_.progress());
    HF_TRY(session->Preflight(context_.stop));
    if (options_.dry_run) {
      HF_TRY(Preview(*session));
      ReportLeftOut(untrusted.left_out(), report_.lines);
      return {};
    }
    report_.began = true;
    Result<void> steps = TakeSteps(*session, *settings, *source);
    if (!steps) return RollBack(*session, journal, std::move(steps).error());
    timer_.Begin("commit", progress_.progress());
    report_.changes = session->Changes();
    ReportLeftOut(untrusted.left_out(), report_.changes);
    HF_TRY(session->Commit());
    HF_TRY(journal.Remove());
    report_.items = progress_.progress().items;
    report_.bytes = progress_.progress().bytes;
    return {};
  }

  Result<void> CheckDryRun(const RestoreMethod& method) const {
    if (!options_.dry_run || method.has_dry_run) return {};
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("a restore with --{} does not support --dry-run", method.name));
  }

  Result<void> Preview(RestoreSession& session) {
    timer_.Begin("preview", progress_.progress());
    const auto keep = [this](const PlannedChange& change) -> Result<void> {
      ++report_.plan_count;
      report_.items += change.items;
      report_.bytes += change.bytes;
      if (report_.plan.size() < kPlanMax) report_.plan.push_back(change);
      return {};
    };
    HF_ASSIGN(report_.lines, session.Preview(keep, context_.stop));
    return {};
  }

  // The separate name distinguishes it from the source's backups, see kSafetySuffix.
  Result<void> TakeSafetySnapshot(SourceSettings settings, SourceSession& source,
                                  const std::vector<std::string>& staged = {}) {
    settings.name = SafetyNameOf(snapshot_.source_name());
    timer_.Begin("safety snapshot", progress_.progress());
    const RepositorySettings* wanted = context_.settings->FindRepository(settings.repository);
    HF_CHECK(wanted != nullptr);
    RepositorySession* target = repository_.get();
    std::unique_ptr<RepositorySession> other;
    // The snapshot is from another repository, or this one was opened only for reading.
    if (wanted->url != repository_->address().url || repository_->lock() == nullptr) {
      HF_ASSIGN(other, RepositorySession::Open(context_, AddressOf(*wanted), LockUse::kRequired));
      target = other.get();
    }
    report_.safety_snapshot =
        BackUpSource(context_, settings, source, *target,
                     fmt::format("safety snapshot before restore of {}", report_.snapshot),
                     /*rehash=*/false, /*before_restore=*/true, staged);
    if (!report_.safety_snapshot->error) return {};
    return Fail(Error(*report_.safety_snapshot->error)
                    .While("take the safety snapshot, nothing was changed")
                    .WithHint("correct what it names; --no-safety-snapshot restores without one"));
  }

  // The safety snapshot is taken last before the swap, so a restore that fails earlier leaves none.
  Result<void> TakeSteps(RestoreSession& session, const SourceSettings& settings,
                         SourceSession& source) {
    timer_.Begin("stage", progress_.progress());
    HF_TRY(session.Stage(progress_.progress(), context_.stop));
    timer_.Begin("validate", progress_.progress());
    HF_TRY(session.Validate(context_.stop));
    HF_TRY(CheckStop(context_.stop));
    if (options_.safety_snapshot) {
      HF_TRY(TakeSafetySnapshot(settings, source, session.StagedPaths()));
    }
    HF_TRY(CheckStop(context_.stop));
    timer_.Begin("swap", progress_.progress());
    HF_TRY(session.Swap(context_.stop));
    timer_.Begin("verify", progress_.progress());
    return session.Verify(context_.stop);
  }

  // Returns `cause` with the outcome of the rollback.
  Result<void> RollBack(RestoreSession& session, RestoreJournal& journal, Error cause) {
    timer_.Begin("roll back", progress_.progress());
    Result<void> undone = session.Rollback();
    if (undone) undone = journal.Remove();
    if (undone) {
      report_.rolled_back = true;
      if (report_.safety_snapshot && report_.safety_snapshot->error) report_.began = false;
      return Fail(std::move(cause).While(
          "the restore in place was rolled back, and the live state is as it was before"));
    }
    std::string why = undone.error().Text();
    return Fail(
        std::move(cause)
            .While(fmt::format("the restore in place failed, and so did rolling back ({})", why))
            .WithHint("to try to roll back again: holdfast-agent restore-helper --recover"));
  }

  Result<void> ByMethod() {
    HF_ASSIGN(const SourceKind* kind, KindOfSnapshot());
    HF_ASSIGN(MethodChoice chosen, ChooseRestoreMethod(options_, *kind, *context_.kinds));
    const RestoreMethod& method = *chosen.method;
    HF_TRY(CheckDryRun(method));
    const SourceSettings* settings = nullptr;
    if (method.needs.source_settings) {
      HF_ASSIGN(settings, SourceOfSnapshot(*kind));
    } else if (context_.settings != nullptr) {
      settings = context_.settings->FindSource(snapshot_.kind, snapshot_.source_name());
    }
    // No service's data has special files or rights.
    UntrustedView untrusted(*view_, SpecialRights::None());
    RestoreSpec spec = {.snapshot = &untrusted, .options = std::move(chosen.options)};
    spec.dry_run = options_.dry_run;
    if (options_.safety_snapshot && method.needs.safety_snapshot) {
      spec.save_first = [this](std::unique_ptr<Source> what) { return SaveFirst(std::move(what)); };
    }
    timer_.Begin("restore", progress_.progress());
    report_.began = !options_.dry_run;
    HF_ASSIGN(MethodOutcome done,
              std::get<OneShotRestore>(method.open)
                  .run(MakeSourceContext(context_, *kind, snapshot_.source_name()),
                       settings == nullptr ? config::Values() : settings->values, spec,
                       progress_.progress(), context_.stop));
    report_.items = progress_.progress().items;
    report_.bytes = progress_.progress().bytes;
    report_.lines = std::move(done.lines);
    report_.plan = std::move(done.plan);
    report_.plan_count = report_.plan.size();
    report_.resumed = done.resumed;
    for (std::string& warning : done.warnings) report_.warnings.push_back(std::move(warning));
    for (std::string& line : untrusted.left_out().Lines()) {
      report_.warnings.push_back(std::move(line));
    }
    if (done.partly) report_.state = TaskOutcome::kPartlyDone;
    report_.error = std::move(done.partly);
    return {};
  }

  // Saves what a one-shot method is about to remove. Under the source's own name, the snapshot
  // would become its `latest` and the parent of its next backup.
  Result<std::string> SaveFirst(std::unique_ptr<Source> what) {
    const std::string_view hint = "--no-safety-snapshot restores without one";
    if (context_.settings == nullptr) {
      return Fail(ErrorCode::kInvalidArgument,
                  "a safety snapshot needs the agent's configuration: --config FILE instead of "
                  "--repository-url",
                  std::string(hint));
    }
    const SourceSettings* own =
        context_.settings->FindSource(snapshot_.kind, snapshot_.source_name());
    SourceSettings settings = own == nullptr ? SourceSettings() : *own;
    settings.kind = snapshot_.kind;
    settings.name = SafetyNameOf(snapshot_.source_name());
    if (own == nullptr) settings.repository = repository_->address().name;
    HF_ASSIGN(std::unique_ptr<SourceSession> source,
              SourceSession::Adopt(context_, settings, "restore", std::move(what)));
    HF_TRY(TakeSafetySnapshot(settings, *source));
    if (!report_.safety_snapshot->manifest.missing.empty()) {
      return Fail(ErrorCode::kUnavailable,
                  "the safety snapshot is incomplete, so nothing was changed", std::string(hint));
    }
    timer_.Begin("restore", progress_.progress());
    return report_.safety_snapshot->snapshot;
  }

  const JobContext& context_;
  const std::vector<RepositoryAddress>& repositories_;
  const RestoreOptions& options_;
  ObservedProgress progress_;
  PhaseTimer timer_;
  std::unique_ptr<RepositorySession> repository_;
  SnapshotInfo snapshot_;
  std::unique_ptr<SnapshotView> view_;  // destroyed before the repository that it reads
  RestoreReport report_;
};

}  // namespace

RestoreReport RunRestore(const JobContext& context,
                         const std::vector<RepositoryAddress>& repositories,
                         const RestoreOptions& options) {
  return Restore(context, repositories, options).Run();
}

}  // namespace holdfast::jobs
