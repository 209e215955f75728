// Backs up sources. Each becomes one snapshot, visible only once it is durable and was read back.
#pragma once

#include <string>
#include <vector>

#include "agent/jobs/backup/backup_task.h"
#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "agent/jobs/session/source_session.h"
#include "common/base/clock.h"

namespace holdfast::jobs {

struct BackupReport {
  std::string run;
  WallTime begin;
  WallTime end;
  std::vector<BackupTaskReport> tasks;
};

// Backs up the sources one after another. A failure of one does not stop the others. After a stop
// request, the current source and the remaining ones are reported as cancelled. `rehash` as in
// BackupTaskOptions.
BackupReport RunBackup(const JobContext& context, const std::vector<const SourceSettings*>& sources,
                       const std::string& note, bool rehash = false);

// The errors to show to the user. An error of a repository appears once, not once per source.
std::vector<Error> ErrorsOf(const BackupReport& report);

// Backs up one source that is already locked into a repository that is already open. In a restore,
// `staged` lists what the restore has staged, see BackupSpec.
BackupTaskReport BackUpSource(const JobContext& context, const SourceSettings& settings,
                              SourceSession& source, RepositorySession& repository,
                              const std::string& note, bool rehash = false,
                              bool before_restore = false,
                              const std::vector<std::string>& staged = {});

}  // namespace holdfast::jobs
