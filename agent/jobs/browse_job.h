// Looking into snapshots: what lies in them, what of it is where, and what became of it. What is
// found goes to a visitor while it is looked for, however much it is; a visitor's error ends it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/base/bytes.h"
#include "common/repository/snapshot_reader.h"
#include "common/repository/tree_codec.h"
#include "common/repository/tree_diff.h"

namespace holdfast::jobs {

// Paths that are reported are relative to the snapshot's top. Paths that are asked for may also be
// absolute paths of files of a node, see ResolvePath() and PatternInSnapshot().

struct ListedEntry {
  const std::string& path;
  const repository::TreeNode& node;
};
struct LsOptions {
  std::string snapshot;  // as FindSnapshot() takes it
  std::string path;      // a directory, or the one thing to show; empty: the top
  bool recursive = false;
};
// JSON: docs/json.md#repository-ls. Told of the snapshot before the first entry.
struct LsVisitor {
  std::function<Result<void>(const repository::SnapshotInfo&)> begin;
  std::function<Result<void>(const ListedEntry&)> entry;
};
Result<void> RunLs(const JobContext& context, const RepositoryAddress& address,
                   const LsOptions& options, const LsVisitor& visitor);

struct FoundEntry {
  const repository::SnapshotInfo& snapshot;
  const std::string& path;           // empty: its top
  const repository::TreeNode& node;  // of the top a directory
};
struct FindReport {
  std::uint64_t snapshots = 0;  // looked through
  std::uint64_t matches = 0;
};
// `wanted` is a blob's id, all 64 digits, or a pattern, in which `*` stands for any characters: of
// paths where it has a "/", else of names. JSON: docs/json.md#repository-find.
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
  bool is_archive = false;  // a directory, as tar
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;  // of content
};
// Where a dump goes. A terminal gets the content of a file, but no archive.
enum class DumpTarget : std::uint8_t { kFile, kTerminal };
// The content of a file, or a directory and all below it as a tar archive, piece by piece.
Result<DumpReport> RunDump(const JobContext& context, const RepositoryAddress& address,
                           const std::string& snapshot, const std::string& path,
                           const std::function<Result<void>(ByteView)>& write,
                           DumpTarget target = DumpTarget::kFile);

}  // namespace holdfast::jobs
