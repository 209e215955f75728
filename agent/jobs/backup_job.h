// Saves sources: one snapshot each, visible only when all of it is durable and was read back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "agent/jobs/source_session.h"
#include "common/stream/manifest.h"

namespace holdfast::jobs {

// What became of one source. JSON: docs/json.md#backup.
struct BackupTaskReport {
  std::string kind;
  std::string name;
  std::string repository;
  TaskState state = TaskState::kFailed;
  std::optional<Error> error;  // unless done or partly done
  bool began = false;          // whether the source was cut, so that something had begun
  std::string recovered;       // see SourceSession

  std::string snapshot;  // id; empty without one
  std::string parent;    // the previous snapshot it was compared with
  Manifest manifest;     // as it stands in the snapshot
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;         // content of all files
  std::uint64_t bytes_read = 0;    // of those, really read
  std::uint64_t bytes_added = 0;   // new content, before compression
  std::uint64_t bytes_stored = 0;  // what the repository grew by
  PhaseSeconds seconds;
  std::vector<std::string> warnings;

  std::string label() const { return kind + "/" + name; }
};

struct BackupReport {
  std::string run;
  WallTime begin;
  WallTime end;
  std::vector<BackupTaskReport> tasks;
};

// Saves the sources one after another; one that fails does not keep the others from being saved.
// A stop ends the current one and leaves out the rest, both reported as cancelled.
BackupReport RunBackup(const JobContext& context, const std::vector<const SourceSettings*>& sources,
                       const std::string& note);

// Saves one source that is locked already into a repository that is open already.
BackupTaskReport BackUpSource(const JobContext& context, const SourceSettings& settings,
                              SourceSession& source, RepositorySession& repository,
                              const std::string& note);

}  // namespace holdfast::jobs
