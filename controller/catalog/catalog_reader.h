// Queries of the catalog. Each answers one page, from one moment. Never disturbs the writer. Any
// number of readers, each for one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/database/backup.h"
#include "common/database/database.h"
#include "controller/core/records.h"

namespace holdfast::controller {

// A page has at most this many rows, whatever is requested, and ends once it has this many signed
// bytes. So a page may be shorter than requested, and only an empty one means the end.
inline constexpr std::uint32_t kPageRowsMax = 1'000;
inline constexpr std::uint64_t kPageBytesMax = 4U << 20;
// How many of the newest runs are searched for a suffix: no index has suffixes.
inline constexpr std::uint32_t kEndsSearched = 10'000;

// Newest first. Empty or absent: any.
struct RunQuery {
  std::string before;      // a run; only older ones
  bool open_only = false;  // queued or running
  std::string source;      // of a task or a snapshot: "kind/name", may have `*`
  std::string node;        // with `source`: node of that task, may have `*`
  std::uint32_t limit = 20;
};

// Where a page of snapshots continues: after this one.
struct SnapshotCursor {
  std::int64_t time_ms = 0;
  Bytes snapshot;
  std::string repository;
};

// Newest first. Empty or absent: any.
struct SnapshotQuery {
  enum class Safety : std::uint8_t { kNone, kOnly, kToo };  // which safety snapshots
  std::string repository;
  std::string source;  // "kind/name", may have `*`
  std::string host;
  std::string run;
  std::string id_prefix;  // hexadecimal
  bool no_partial = false;
  bool no_invalid = false;
  Safety safety = Safety::kNone;
  std::optional<SnapshotCursor> follows;
  std::uint32_t limit = 20;
};

// An agent that has a source in its configuration.
struct SourceMember {
  std::string node;
  std::string repository;
  Topology topology = Topology::kLocal;
  bool revoked = false;
};

struct CatalogCheck {
  std::vector<std::string> damage;  // one line each, at most 40; empty: sound
  std::uint64_t audit_events = 0;
};

class CatalogReader {
 public:
  // kUnsupported if the tables have another version, kNotFound without a file.
  static Result<CatalogReader> Open(const std::string& path);

  Result<std::optional<ClusterRecord>> Cluster();
  // The versions of the root document after this one, ascending, at most `limit`.
  Result<std::vector<RootRecord>> Roots(std::uint64_t after, std::uint32_t limit);
  // By name, starting after `after`.
  Result<std::vector<AgentRecord>> Agents(std::string_view after, std::uint32_t limit);
  Result<std::optional<AgentRecord>> Agent(std::string_view node);
  // By node, at most kPageRowsMax.
  Result<std::vector<SourceMember>> SourceMembers(std::string_view source);
  // Whether an agent has such a source configured, or a backup or a snapshot of one exists. Both
  // may have `*`; `node` is a snapshot's host. Empty: any.
  Result<bool> KnowsSource(const std::string& source, const std::string& node);
  // Sources that agents have configured or that have snapshots, as "kind/name" or "kind/name@node",
  // for suggestions: at most kPageRowsMax of each.
  Result<std::vector<std::string>> KnownSources(bool with_nodes);

  Result<std::optional<RunRecord>> Run(std::string_view run);
  Result<std::vector<RunRecord>> Runs(const RunQuery& query);
  // Runs whose ULID starts with `text`, then those of the newest kEndsSearched whose ULID ends with
  // it. Each once, at most `limit`.
  Result<std::vector<RunRecord>> RunsNamed(std::string_view text, std::uint32_t limit);
  // The ULIDs of the newest kPageRowsMax runs.
  Result<std::vector<std::string>> NewestRuns();
  // By number, starting with `first`, without their reports.
  Result<std::vector<TaskRecord>> Tasks(std::string_view run, std::uint32_t first,
                                        std::uint32_t limit);
  // The newest backup run of the source that has ended; `node` only for a local source. nullopt:
  // not known.
  Result<std::optional<std::string>> LastRun(std::string_view source, std::string_view node);
  // All tasks of the run for this source, by number, without reports. Empty `node`: of all nodes.
  Result<std::vector<TaskRecord>> TasksOfSource(std::string_view run, std::string_view source,
                                                std::string_view node);
  // The payload of the report that ended the task; empty before. kNotFound for an unknown task.
  Result<Bytes> TaskReport(std::string_view run, std::uint32_t number);

  // kInvalidArgument if the prefix is not hexadecimal.
  Result<std::vector<SnapshotRecord>> Snapshots(const SnapshotQuery& query);
  // Snapshots whose ids start with one of these hexadecimal texts, at most `limit`.
  Result<std::vector<SnapshotRecord>> SnapshotsBeginning(const std::set<std::string>& prefixes,
                                                         std::size_t limit);
  // The repositories of the snapshots that Snapshots() would find without its limit, ascending; at
  // most kPageRowsMax.
  Result<std::vector<std::string>> SnapshotRepositories(const SnapshotQuery& query);
  // The hosts of the snapshots that Snapshots() would find without its limit, ascending; at most
  // kPageRowsMax.
  Result<std::vector<std::string>> SnapshotHosts(const SnapshotQuery& query);

  Result<std::optional<DraftRecord>> Draft(std::string_view run);
  // As RunsNamed() and NewestRuns().
  Result<std::vector<DraftRecord>> DraftsNamed(std::string_view text, bool open_only,
                                               std::uint32_t limit);
  Result<std::vector<std::string>> NewestDrafts();
  // Newest first. Only those older than `before`, unless it is empty.
  Result<std::vector<DraftRecord>> Drafts(bool open_only, std::string_view before,
                                          std::uint32_t limit);

  // Checks structure, foreign keys and the audit: no gap, and leaves and copied columns that match
  // the bytes. Reads everything. kCancelled if stopped.
  Result<CatalogCheck> Check(CheckDepth depth, const std::stop_token& stop = {});
  // As CopyDatabase() (common/database/backup.h).
  Result<void> Save(const std::string& path, const std::stop_token& stop = {});

 private:
  friend class CatalogComparison;
  explicit CatalogReader(Database connection) : connection_(std::move(connection)) {}
  Result<std::vector<std::string>> Distinct(std::string_view column, const SnapshotQuery& query);

  Database connection_;
};

}  // namespace holdfast::controller
