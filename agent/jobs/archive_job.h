// One snapshot as one file that anybody can carry: out of a repository, and into one.
#pragma once

#include <string>
#include <vector>

#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/repository/archive.h"

namespace holdfast::jobs {

// JSON: docs/json.md#export.
struct ExportJobReport {
  std::string repository;
  repository::SnapshotInfo snapshot;
  std::string
      file;  // not encrypted; readable by its owner alone where the file system can say that
  repository::ExportReport counts;
  std::vector<std::string> warnings;
};
// Finds the snapshot as FindInRepositories() does, and writes
// "<directory>/<cluster>_<kind>_<name>_<UTC time>.tar.zst", with "_1" and so on before the ending
// where that is there: nothing is replaced, and nothing half appears.
Result<ExportJobReport> RunExport(const JobContext& context,
                                  const std::vector<RepositoryAddress>& repositories,
                                  const std::string& snapshot, const std::string& directory);

// JSON: docs/json.md#import.
struct ImportJobReport {
  std::string repository;
  std::string file;
  repository::ImportReport counts;
};
// A file that RunExport() wrote.
Result<ImportJobReport> RunImport(const JobContext& context, const RepositoryAddress& address,
                                  const std::string& file);

}  // namespace holdfast::jobs
