// Exports a snapshot to a single portable file, and imports such a file into a repository.
#pragma once

#include <string>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/repository/archive/archive.h"

namespace holdfast::jobs {

// JSON: docs/json.md#export.
struct ExportJobReport {
  std::string repository;
  repository::SnapshotInfo snapshot;
  // Not encrypted. Readable only by its owner, if the file system supports permissions.
  std::string file;
  repository::ExportReport counts;
  std::vector<std::string> warnings;
};
// Finds the snapshot as FindInRepositories() does and writes it to
// "<directory>/<cluster>_<kind>_<name>_<UTC time>.tar.zst". If that exists, "_1" and so on is added
// before the extension. Never replaces a file, and never leaves a partial one.
Result<ExportJobReport> RunExport(const JobContext& context,
                                  const std::vector<RepositoryAddress>& repositories,
                                  const std::string& snapshot, const std::string& directory);

// JSON: docs/json.md#import.
struct ImportJobReport {
  std::string repository;
  std::string file;
  repository::ImportReport counts;
};
// Imports a file that RunExport() wrote.
Result<ImportJobReport> RunImport(const JobContext& context, const RepositoryAddress& address,
                                  const std::string& file);

}  // namespace holdfast::jobs
