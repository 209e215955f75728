// Saves sources: one snapshot each, visible only when all of it is durable and was read back.
#pragma once

#include <string>
#include <vector>

#include "agent/jobs/backup_task.h"
#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "agent/jobs/source_session.h"
#include "common/base/clock.h"

namespace holdfast::jobs {

struct BackupReport {
  std::string run;
  WallTime begin;
  WallTime end;
  std::vector<BackupTaskReport> tasks;
};

// Saves the sources one after another; one that fails does not keep the others from being saved.
// A stop ends the current one and leaves out the rest, both reported as cancelled. `rehash` as in
// BackupTaskOptions.
BackupReport RunBackup(const JobContext& context, const std::vector<const SourceSettings*>& sources,
                       const std::string& note, bool rehash = false);

// What to tell a person: an error of a repository once, not for each of its sources.
std::vector<Error> ErrorsOf(const BackupReport& report);

// Saves one source that is locked already into a repository that is open already. For a restore
// that follows at once, `staged` is what it has staged, see BackupSpec.
BackupTaskReport BackUpSource(const JobContext& context, const SourceSettings& settings,
                              SourceSession& source, RepositorySession& repository,
                              const std::string& note, bool rehash = false,
                              bool before_restore = false,
                              const std::vector<std::string>& staged = {});

}  // namespace holdfast::jobs
