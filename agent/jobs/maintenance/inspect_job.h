// Reports a repository's properties and size.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/repository/snapshot/tree_stats.h"
#include "common/storage/storage.h"

namespace holdfast::jobs {

// JSON: docs/json.md#repository-info.
struct InfoReport {
  struct Files {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
  };
  std::string repository;
  std::string url;
  repository::Config config;
  repository::Id key;               // that opened the repository
  std::map<FileKind, Files> files;  // by kind, without the config
  std::optional<UnixTime> oldest;   // snapshot
  std::optional<UnixTime> newest;   // likewise
  std::vector<std::string> warnings;
};
// Lists files and reads the snapshot files, but neither the index nor data.
Result<InfoReport> RunInfo(const JobContext& context, const RepositoryAddress& address);

// JSON: docs/json.md#repository-stats.
struct StatsReport {
  std::string repository;
  repository::StatsMode mode = repository::StatsMode::kRestoreSize;
  repository::TreeStats stats;
  std::vector<std::string> warnings;
};
// `snapshots` as FindSnapshot() takes them; empty: all.
Result<StatsReport> RunStats(const JobContext& context, const RepositoryAddress& address,
                             const std::vector<std::string>& snapshots, repository::StatsMode mode);

}  // namespace holdfast::jobs
