#include "agent/jobs/backup/backup_job.h"

#include <map>
#include <memory>
#include <set>
#include <utility>

#include "common/base/format.h"

namespace holdfast::jobs {
namespace {

// A run over several sources; each repository is opened once.
class BackupRun {
 public:
  BackupRun(const JobContext& context, const std::string& note, bool rehash)
      : context_(context), note_(note), rehash_(rehash) {}

  BackupTaskReport One(const SourceSettings& settings) {
    BackupTaskReport report;
    report.kind = settings.kind;
    report.name = settings.name;
    report.repository = settings.repository;
    Result<BackupTaskReport> outcome = Try(settings, report.is_repository_error);
    if (outcome) return *std::move(outcome);
    if (context_.observer != nullptr) context_.observer->Skip();
    report.state = OutcomeOfError(outcome.error());
    report.error = std::move(outcome).error();
    return report;
  }

 private:
  Result<BackupTaskReport> Try(const SourceSettings& settings, bool& is_repository_error) {
    HF_TRY(CheckStop(context_.stop));
    HF_ASSIGN(std::unique_ptr<SourceSession> source,
              SourceSession::Open(context_, settings, "backup"));
    const auto& repository = RepositoryOf(settings);
    is_repository_error = !repository;
    if (!repository) return Fail(repository.error());
    return BackUpSource(context_, settings, *source, **repository, note_, rehash_);
  }

  // Opening takes a second of scrypt and a lock, and would fail for every source in the same way.
  const Result<std::unique_ptr<RepositorySession>>& RepositoryOf(const SourceSettings& settings) {
    auto opened = repositories_.find(settings.repository);
    if (opened == repositories_.end()) {
      const RepositorySettings* found = context_.settings->FindRepository(settings.repository);
      HF_CHECK(found != nullptr);
      opened = repositories_
                   .emplace(settings.repository,
                            RepositorySession::Open(context_, AddressOf(*found), LockUse::kRequired,
                                                    LockWait::kLater))
                   .first;
    }
    return opened->second;
  }

  const JobContext& context_;
  const std::string& note_;
  const bool rehash_;
  std::map<std::string, Result<std::unique_ptr<RepositorySession>>> repositories_;
};

}  // namespace

BackupReport RunBackup(const JobContext& context, const std::vector<const SourceSettings*>& sources,
                       const std::string& note, bool rehash) {
  BackupReport report;
  report.run = context.run;
  report.begin = context.clock->Now();
  BackupRun run(context, note, rehash);
  if (context.observer != nullptr) context.observer->Expect(sources.size());
  for (const SourceSettings* source : sources) report.tasks.push_back(run.One(*source));
  report.end = context.clock->Now();
  return report;
}

std::vector<Error> ErrorsOf(const BackupReport& report) {
  std::vector<Error> errors;
  std::set<std::string> repositories;
  for (const BackupTaskReport& task : report.tasks) {
    if (!task.error) continue;
    if (!task.is_repository_error) {
      // Some errors, such as a busy lock, already name the source.
      const bool is_named = task.error->message().find(Quote(task.label())) != std::string::npos;
      errors.push_back(is_named ? *task.error : Error(*task.error).While(task.label()));
    } else if (repositories.insert(task.repository).second) {
      errors.push_back(*task.error);
    }
  }
  return errors;
}

BackupTaskReport BackUpSource(const JobContext& context, const SourceSettings& settings,
                              SourceSession& source, RepositorySession& repository,
                              const std::string& note, bool rehash, bool before_restore,
                              const std::vector<std::string>& staged) {
  const StopWhenRefused stop(repository, context.stop);
  JobContext own = context;
  own.stop = stop.token();
  BackupTask task(own, {.settings = &settings,
                        .note = note,
                        .rehash = rehash,
                        .before_restore = before_restore,
                        .staged = staged,
                        .source = &source,
                        .repository = &repository});
  const auto take_steps = [&]() -> Result<void> {
    HF_TRY(task.Prepare());
    HF_TRY(task.Cut());
    HF_TRY(task.Save());
    HF_TRY(task.Compose());
    return {};
  };
  Result<void> taken = take_steps();
  if (!taken) {
    Result<void> settled = repository.Settle();
    if (!settled) taken = std::move(settled);
  }
  return task.TakeReport(taken);
}

}  // namespace holdfast::jobs
