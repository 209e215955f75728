// Browsing snapshots: listing, finding, comparing and dumping their content. Results go to a
// visitor as they are found, so memory does not grow with their number. A visitor's error ends the
// job.
#pragma once

#include <functional>
#include <string>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/base/bytes.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/repository/snapshot/tree_diff.h"

namespace holdfast::jobs {

// Reported paths are relative to the snapshot's top. Requested paths may also be absolute paths of
// a node's files, see ResolvePath() and PatternInSnapshot().

struct ListedEntry {
  const std::string& path;
  const repository::TreeNode& node;
};
struct LsOptions {
  std::string snapshot;  // as FindSnapshot() takes it
  std::string path;      // a directory, or a single entry to show; empty: the top
  bool recursive = false;
};
// JSON: docs/json.md#repository-ls. `begin` gets the snapshot before the first entry.
struct LsVisitor {
  std::function<Result<void>(const repository::SnapshotInfo&)> begin;
  std::function<Result<void>(const ListedEntry&)> entry;
};
Result<void> RunLs(const JobContext& context, const RepositoryAddress& address,
                   const LsOptions& options, const LsVisitor& visitor);

struct FoundEntry {
  const repository::SnapshotInfo& snapshot;
  const std::string& path;           // empty: the snapshot's top
  const repository::TreeNode& node;  // a directory if `path` is empty
};
struct FindReport {
  std::uint64_t snapshots = 0;  // searched
  std::uint64_t matches = 0;
};
// `wanted` is a blob id (all 64 digits) or a pattern in which `*` matches any characters. A pattern
// with a "/" is matched against paths, others against names. JSON: docs/json.md#repository-find.
Result<FindReport> RunFind(const JobContext& context, const RepositoryAddress& address,
                           const std::string& wanted,
                           const std::function<Result<void>(const FoundEntry&)>& visit);

struct DiffOptions {
  std::string first;
  std::string second;
  bool with_attributes = false;
};
struct SnapshotDiff {
  repository::SnapshotInfo first;
  repository::SnapshotInfo second;
  repository::DiffReport counts;
};
// JSON: docs/json.md#repository-diff.
Result<SnapshotDiff> RunDiff(
    const JobContext& context, const RepositoryAddress& address, const DiffOptions& options,
    const std::function<Result<void>(const repository::TreeChange&)>& visit);

struct DumpReport {
  repository::SnapshotInfo snapshot;
  bool is_archive = false;  // a directory, written as tar
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;  // content bytes
};
// Destination of a dump. A terminal receives file content, but no archive.
enum class DumpTarget : std::uint8_t { kFile, kTerminal };
// Writes the content of a file, or a directory and everything below it as a tar archive, in chunks.
Result<DumpReport> RunDump(const JobContext& context, const RepositoryAddress& address,
                           const std::string& snapshot, const std::string& path,
                           const std::function<Result<void>(ByteView)>& write,
                           DumpTarget target = DumpTarget::kFile);

}  // namespace holdfast::jobs
