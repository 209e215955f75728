#include "agent/jobs/session/source_session.h"

#include <unistd.h>

#include <utility>

#include "agent/journal/helper_directory.h"
#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast::jobs {
namespace {

std::string HolderText(const JobContext& context, std::string_view verb) {
  return fmt::format("holdfast-agent {}, pid {}, run {}, since {}", verb, ::getpid(), context.run,
                     FormatShortTime(context.clock->Now()));
}

Error LockError(Error error, const SourceSettings& settings) {
  return std::move(error).While(fmt::format("lock source {}", Quote(settings.label())));
}

Result<FileLock> LockSource(const JobContext& context, const SourceSettings& settings,
                            std::string_view verb) {
  Result<FileLock> lock =
      LockSourceFile(context.settings->state_dir, settings.label(), HolderText(context, verb));
  if (lock) return lock;
  return Fail(LockError(std::move(lock).error(), settings));
}

Result<filetree::Recovery> RecoverInPlace(const SourceKind& kind, const SourceContext& context,
                                          std::string_view state) {
  const RestoreMethod* method = kind.InPlaceMethod();
  if (method == nullptr) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} has no restore in place that can be finished", Quote(kind.kind)));
  }
  return std::get<InPlaceRestore>(method->open).recover(context, state);
}

}  // namespace

Result<std::unique_ptr<SourceSession>> SourceSession::Open(const JobContext& context,
                                                           const SourceSettings& settings,
                                                           std::string_view verb,
                                                           Unfinished unfinished) {
  HF_ASSIGN(FileLock lock, LockSource(context, settings, verb));
  auto session = std::make_unique<SourceSession>(Key{}, std::move(lock));
  session->kind_ = context.FindKind(settings.kind);
  HF_CHECK(session->kind_ != nullptr);
  HF_TRY(MakeDirectories(
      fmt::format("{}/sources/{}-{}", context.settings->state_dir, settings.kind, settings.name),
      0700));
  HF_ASSIGN(session->source_, OpenSource(context, *session->kind_, settings.name, settings.values));
  HF_TRY(session->Recover(context, settings, unfinished));
  return session;
}

Result<std::unique_ptr<SourceSession>> SourceSession::Adopt(const JobContext& context,
                                                            const SourceSettings& settings,
                                                            std::string_view verb,
                                                            std::unique_ptr<Source> source) {
  // `restore-helper --prepare` creates no file for this lock, because the source need not be
  // configured. So each user locks a file in its own state directory.
  Result<FileLock> lock = FileLock::Acquire(
      fmt::format("{}/locks/{}-{}.lock", context.settings->state_dir, settings.kind, settings.name),
      HolderText(context, verb));
  if (!lock) return Fail(LockError(std::move(lock).error(), settings));
  auto session = std::make_unique<SourceSession>(Key{}, *std::move(lock));
  session->kind_ = context.FindKind(settings.kind);
  HF_CHECK(session->kind_ != nullptr);
  session->source_ = std::move(source);
  return session;
}

Result<void> SourceSession::Recover(const JobContext& context, const SourceSettings& settings,
                                    Unfinished what_to_do) {
  const std::string& state_dir = context.settings->state_dir;
  HF_ASSIGN(std::optional<UnfinishedRestore> unfinished,
            ReadRestoreJournal(state_dir, settings.kind, settings.name));
  if (!unfinished) return {};
  if (what_to_do == Unfinished::kRefuse || !unfinished->is_own) {
    return Fail(ErrorCode::kBusy,
                fmt::format("the restore of snapshot {} that run {} began was interrupted",
                            unfinished->snapshot.substr(0, 8), unfinished->run),
                HowToRecover(*unfinished));
  }
  std::string what = fmt::format("recover the restore of snapshot {} that run {} began",
                                 unfinished->snapshot, unfinished->run);
  Result<filetree::Recovery> done =
      RecoverInPlace(*kind_, MakeSourceContext(context, *kind_, settings.name), unfinished->state);
  if (!done) {
    return Fail(std::move(done).error().While(what).WithHint(
        "correct what it names and run the same command again; until then this source is neither "
        "backed up nor restored"));
  }
  RestoreJournal journal(state_dir, *unfinished);
  HF_TRY(journal.Remove());
  recovered_ = {done->is_finished,
                fmt::format("an interrupted restore of snapshot {} (run {}): {}",
                            unfinished->snapshot.substr(0, 8), unfinished->run, done->text)};
  recovered_run_ = unfinished->run;
  context.Note(settings.label(), recovered_.text);
  return {};
}

Result<std::unique_ptr<Source>> OpenSource(const JobContext& context, const SourceKind& kind,
                                           std::string_view name, const config::Values& values) {
  return kind.open(MakeSourceContext(context, kind, name), values);
}

SourceContext MakeSourceContext(const JobContext& context, const SourceKind& kind,
                                std::string_view name) {
  SourceContext source;
  source.kind = kind.kind;
  source.name = name;
  if (context.settings != nullptr) {
    source.node = context.settings->node;
    source.cluster = context.settings->cluster;
    source.state_dir =
        fmt::format("{}/sources/{}-{}", context.settings->state_dir, kind.kind, name);
  }
  source.clock = context.clock;
  source.random = context.random;
  return source;
}

std::string SnapshotHost(const AgentSettings& settings, Topology topology) {
  if (topology == Topology::kLocal || settings.cluster.empty()) return settings.node;
  return settings.cluster;
}

}  // namespace holdfast::jobs
