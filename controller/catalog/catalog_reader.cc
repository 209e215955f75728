#include "controller/catalog/catalog_reader.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "common/base/format.h"
#include "controller/catalog/live_state.h"
#include "controller/catalog/schema.h"
#include "controller/catalog/tables.h"

namespace holdfast::controller {
namespace {

std::uint32_t PageRows(std::uint32_t limit) { return std::clamp(limit, 1U, kPageRowsMax); }

template <typename Record>
Result<std::optional<Record>> ReadOne(Database& connection, std::string_view rest,
                                      std::string_view key) {
  HF_ASSIGN(std::vector<Record> records, ReadRecords<Record>(connection, rest, key));
  if (records.empty()) return std::nullopt;
  return std::move(records.front());
}

// The first column of every row.
Result<std::vector<std::string>> ReadTexts(Statement rows) {
  std::vector<std::string> texts;
  for (;;) {
    HF_ASSIGN(const bool has_row, rows.Next());
    if (!has_row) return texts;
    HF_TRY(rows.Read(texts.emplace_back()));
  }
}

// Records whose ULID in `run` starts or ends with `text`. `condition` may be empty.
template <typename Record>
Result<std::vector<Record>> ReadNamed(Database& connection, std::string_view text,
                                      std::string_view condition, std::uint32_t limit) {
  // 0x7f sorts after all characters of a ULID.
  HF_ASSIGN(std::vector<Record> found,
            ReadRecords<Record>(
                connection,
                fmt::format("WHERE run >= ? AND run < ? {} ORDER BY run DESC LIMIT ?", condition),
                text, std::string(text) + "\x7f", PageRows(limit)));
  static const std::string kEnding = fmt::format(
      "WHERE run IN (SELECT run FROM (SELECT run FROM {} ORDER BY run DESC LIMIT {}) "
      "WHERE substr(run, ?) = ?) AND NOT (run >= ? AND run < ?)",
      TableOf<Record>::kName, kEndsSearched);
  HF_ASSIGN(std::vector<Record> ending,
            ReadRecords<Record>(connection,
                                fmt::format("{} {} ORDER BY run DESC LIMIT ?", kEnding, condition),
                                -static_cast<std::int64_t>(text.size()), text, text,
                                std::string(text) + "\x7f", PageRows(limit)));
  found.insert(found.end(), std::make_move_iterator(ending.begin()),
               std::make_move_iterator(ending.end()));
  if (found.size() > limit) found.resize(limit);
  return found;
}

// Conditions in one text. Parameters are numbered, and the last one is always in the text, so all
// of them can be bound, whichever are used.
class Conditions {
 public:
  void Add(bool is_wanted, std::string_view condition) {
    if (!is_wanted) return;
    text_ += text_.empty() ? "WHERE " : " AND ";
    text_ += condition;
  }
  std::string With(std::string_view rest) const { return text_ + " " + std::string(rest); }

 private:
  std::string text_;
};

struct IdRange {
  Bytes first;
  Bytes last;
};

// The ids that start with these hexadecimal digits.
Result<IdRange> RangeOf(std::string_view prefix) {
  constexpr std::size_t kDigits = 64;
  std::string first(prefix);
  if (first.size() > kDigits) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is longer than a snapshot's id", Quote(prefix)));
  }
  std::string last = first;
  first.resize(kDigits, '0');
  last.resize(kDigits, 'f');
  IdRange range;
  Result<Bytes> decoded = HexDecode(first);
  if (!decoded) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is not the beginning of a snapshot's id", Quote(prefix)),
                "an id consists of the digits 0-9 and a-f");
  }
  range.first = *std::move(decoded);
  HF_ASSIGN(range.last, HexDecode(last));
  return range;
}

// Keeps `*` as a wildcard and escapes the others.
std::string GlobOf(std::string_view selector) {
  std::string glob;
  for (char letter : selector) {
    if (letter == '[' || letter == '?') {
      glob += '[';
      glob += letter;
      glob += ']';
    } else {
      glob += letter;
    }
  }
  return glob;
}

}  // namespace

Result<CatalogReader> CatalogReader::Open(const std::string& path) {
  HF_ASSIGN(Database connection, Database::Open(CatalogOptions(path), DatabaseMode::kRead));
  HF_TRY(CheckVersion(connection, CatalogMigrations()));
  return CatalogReader(std::move(connection));
}

Result<std::optional<ClusterRecord>> CatalogReader::Cluster() {
  HF_ASSIGN(std::vector<ClusterRecord> clusters, ReadRecords<ClusterRecord>(connection_, ""));
  if (clusters.empty()) return std::nullopt;
  return std::move(clusters.front());
}

Result<std::vector<RootRecord>> CatalogReader::Roots(std::uint64_t after, std::uint32_t limit) {
  return ReadRecords<RootRecord>(connection_, "WHERE version > ? ORDER BY version LIMIT ?", after,
                                 PageRows(limit));
}

Result<std::vector<AgentRecord>> CatalogReader::Agents(std::string_view after,
                                                       std::uint32_t limit) {
  HF_ASSIGN(Transaction moment, Transaction::Begin(connection_));
  HF_ASSIGN(std::vector<AgentRecord> agents,
            ReadRecords<AgentRecord>(connection_, "WHERE node > ? ORDER BY node LIMIT ?", after,
                                     PageRows(limit)));
  HF_TRY(CompleteAgents(connection_, agents));
  return agents;
}

Result<std::optional<AgentRecord>> CatalogReader::Agent(std::string_view node) {
  HF_ASSIGN(Transaction moment, Transaction::Begin(connection_));
  HF_ASSIGN(std::vector<AgentRecord> agents,
            ReadRecords<AgentRecord>(connection_, "WHERE node = ?", node));
  HF_TRY(CompleteAgents(connection_, agents));
  if (agents.empty()) return std::nullopt;
  return std::move(agents.front());
}

Result<std::vector<SourceMember>> CatalogReader::SourceMembers(std::string_view source) {
  HF_ASSIGN(Statement rows,
            connection_.Query("SELECT node, repository, topology, revoked FROM agent_source JOIN "
                              "agent USING (node) WHERE source = ? ORDER BY node LIMIT ?",
                              source, kPageRowsMax));
  std::vector<SourceMember> members;
  for (;;) {
    HF_ASSIGN(const bool has_row, rows.Next());
    if (!has_row) return members;
    SourceMember& member = members.emplace_back();
    ColumnOf<Topology>::Stored topology{};
    HF_TRY(rows.Read(member.node, member.repository, topology, member.revoked));
    HF_ASSIGN(member.topology, ColumnOf<Topology>::Decode(topology));
  }
}

Result<bool> CatalogReader::KnowsSource(const std::string& source, const std::string& node) {
  const bool is_pattern = source.find('*') != std::string::npos;
  const std::string named = source.empty() ? "" : is_pattern ? "source GLOB ?1" : "source = ?1";
  for (const auto& [table, column] :
       {std::pair("agent_source", "node"), std::pair("snapshot", "host"),
        std::pair("source_run", "node")}) {
    Conditions conditions;
    conditions.Add(!named.empty(), named);
    conditions.Add(!node.empty(), fmt::format("{} GLOB ?2", column));
    HF_ASSIGN(
        Statement rows,
        connection_.Query(fmt::format("SELECT 1 FROM {} {}", table, conditions.With("LIMIT ?3")),
                          is_pattern ? GlobOf(source) : source, GlobOf(node), 1));
    HF_ASSIGN(const bool has_row, rows.Next());
    if (has_row) return true;
  }
  return false;
}

Result<std::vector<std::string>> CatalogReader::KnownSources(bool with_nodes) {
  const std::string_view configured = with_nodes ? "source || '@' || node" : "source";
  HF_ASSIGN(
      Statement rows,
      connection_.Query(fmt::format("SELECT DISTINCT {} FROM agent_source LIMIT ?", configured),
                        kPageRowsMax));
  HF_ASSIGN(std::vector<std::string> known, ReadTexts(std::move(rows)));
  // One index step per source, however many snapshots it has.
  constexpr std::string_view kSources =
      "WITH RECURSIVE one(source) AS (SELECT min(source) FROM snapshot UNION ALL SELECT (SELECT "
      "min(source) FROM snapshot WHERE source > one.source) FROM one WHERE one.source NOTNULL "
      "LIMIT "
      "?) SELECT source FROM one WHERE source NOTNULL";
  HF_ASSIGN(Statement steps, connection_.Query(kSources, kPageRowsMax));
  HF_ASSIGN(const std::vector<std::string> saved, ReadTexts(std::move(steps)));
  for (const std::string& source : saved) {
    if (!with_nodes) {
      known.push_back(source);
      continue;
    }
    // Only the newest snapshot's host; other hosts are those of configured sources.
    HF_ASSIGN(Statement host,
              connection_.Query("SELECT source || '@' || host FROM snapshot WHERE source = ? ORDER "
                                "BY time_ms DESC LIMIT 1",
                                source));
    HF_ASSIGN(const std::vector<std::string> newest, ReadTexts(std::move(host)));
    known.insert(known.end(), newest.begin(), newest.end());
  }
  return known;
}

Result<std::vector<RunRecord>> CatalogReader::RunsNamed(std::string_view text,
                                                        std::uint32_t limit) {
  return ReadNamed<RunRecord>(connection_, text, "", limit);
}

Result<std::vector<std::string>> CatalogReader::NewestRuns() {
  HF_ASSIGN(Statement rows,
            connection_.Query("SELECT run FROM run ORDER BY run DESC LIMIT ?", kPageRowsMax));
  return ReadTexts(std::move(rows));
}

Result<std::optional<RunRecord>> CatalogReader::Run(std::string_view run) {
  return ReadOne<RunRecord>(connection_, "WHERE run = ?", run);
}

Result<std::vector<RunRecord>> CatalogReader::Runs(const RunQuery& query) {
  Conditions conditions;
  conditions.Add(!query.before.empty(), "run < ?1");
  conditions.Add(query.open_only, "closed = 0 AND state <= 2");
  // A run that is known only from reports has snapshots but no tasks.
  const bool is_pattern = query.source.find('*') != std::string::npos;
  conditions.Add(!query.source.empty() && !is_pattern,
                 "(EXISTS (SELECT 1 FROM task WHERE task.source = ?2 AND task.run = run.run AND "
                 "task.node GLOB ?3) OR EXISTS (SELECT 1 FROM snapshot WHERE snapshot.run = "
                 "run.run AND snapshot.source = ?2 AND snapshot.host GLOB ?3))");
  conditions.Add(is_pattern,
                 "(EXISTS (SELECT 1 FROM task WHERE task.run = run.run AND task.source GLOB ?2 "
                 "AND task.node GLOB ?3) OR EXISTS (SELECT 1 FROM snapshot WHERE snapshot.run = "
                 "run.run AND snapshot.source GLOB ?2 AND snapshot.host GLOB ?3))");
  return ReadRecords<RunRecord>(connection_, conditions.With("ORDER BY run DESC LIMIT ?4"),
                                query.before, is_pattern ? GlobOf(query.source) : query.source,
                                query.node.empty() ? "*" : GlobOf(query.node),
                                PageRows(query.limit));
}

namespace {

// A report has up to 1 MiB, and a list of tasks does not need it.
std::string SelectTasks(std::string_view rest) {
  std::string text = SelectText<TaskRow>(rest);
  std::string_view column = ", report FROM";
  return text.replace(text.find(column), column.size(), ", x'' FROM");
}

}  // namespace

Result<std::vector<TaskRecord>> CatalogReader::Tasks(std::string_view run, std::uint32_t first,
                                                     std::uint32_t limit) {
  static const std::string kSql =
      SelectTasks("WHERE run = ? AND number >= ? ORDER BY number LIMIT ?");
  HF_ASSIGN(Statement statement, connection_.Query(kSql, run, first, PageRows(limit)));
  return ReadTasks(std::move(statement));
}

Result<std::optional<std::string>> CatalogReader::LastRun(std::string_view source,
                                                          std::string_view node) {
  HF_ASSIGN(
      Statement row,
      connection_.Query("SELECT run FROM source_run WHERE source = ? AND node = ?", source, node));
  HF_ASSIGN(bool has_row, row.Next());
  if (!has_row) return std::nullopt;
  std::string run;
  HF_TRY(row.Read(run));
  return run;
}

Result<std::vector<TaskRecord>> CatalogReader::TasksOfSource(std::string_view run,
                                                             std::string_view source,
                                                             std::string_view node) {
  // By default, SQLite walks all tasks of the run, because they are in the right order.
  static const std::string kAll =
      SelectTasks("INDEXED BY task_by_source WHERE source = ?1 AND run = ?2 ORDER BY number");
  static const std::string kOne = SelectTasks(
      "INDEXED BY task_by_source WHERE source = ?1 AND run = ?2 AND node = ?3 ORDER BY number");
  if (node.empty()) {
    HF_ASSIGN(Statement statement, connection_.Query(kAll, source, run));
    return ReadTasks(std::move(statement));
  }
  HF_ASSIGN(Statement statement, connection_.Query(kOne, source, run, node));
  return ReadTasks(std::move(statement));
}

Result<Bytes> CatalogReader::TaskReport(std::string_view run, std::uint32_t number) {
  HF_ASSIGN(Statement row,
            connection_.Query("SELECT report FROM task WHERE run = ? AND number = ?", run, number));
  HF_ASSIGN(bool has_row, row.Next());
  if (!has_row) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("the catalog has no task {} of run {}", number, Quote(run)));
  }
  Bytes report;
  HF_TRY(row.Read(report));
  return report;
}

namespace {

// The conditions of a query of snapshots, with the parameters ?1 to ?9.
struct SnapshotConditions {
  Conditions conditions;
  std::string source;
  std::string host;
  IdRange range;
  SnapshotCursor follows;
};

Result<SnapshotConditions> ConditionsOf(const SnapshotQuery& query) {
  using Safety = SnapshotQuery::Safety;
  SnapshotConditions made;
  HF_ASSIGN(made.range, RangeOf(query.id_prefix));
  const bool is_pattern = query.source.find('*') != std::string::npos;
  made.source = is_pattern ? GlobOf(query.source) : query.source;
  made.follows = query.follows.value_or(SnapshotCursor{});
  Conditions& conditions = made.conditions;
  conditions.Add(!query.repository.empty(), "repository = ?1");
  conditions.Add(!query.source.empty() && !is_pattern, "source = ?2");
  conditions.Add(is_pattern, "source GLOB ?2");
  const bool is_host_pattern = query.host.find('*') != std::string::npos;
  made.host = is_host_pattern ? GlobOf(query.host) : query.host;
  conditions.Add(!query.host.empty(), is_host_pattern ? "host GLOB ?3" : "host = ?3");
  conditions.Add(!query.run.empty(), "run = ?4");
  conditions.Add(!query.id_prefix.empty(), "snapshot BETWEEN ?5 AND ?6");
  conditions.Add(query.no_partial, "partial = 0");
  conditions.Add(query.no_invalid, "invalid = 0");
  conditions.Add(query.safety == Safety::kNone, "safety = 0");
  conditions.Add(query.safety == Safety::kOnly, "safety = 1");
  conditions.Add(query.follows.has_value(), "(time_ms, snapshot, repository) < (?7, ?8, ?9)");
  return made;
}

}  // namespace

Result<std::vector<SnapshotRecord>> CatalogReader::Snapshots(const SnapshotQuery& query) {
  HF_ASSIGN(const SnapshotConditions asked, ConditionsOf(query));
  return ReadRecords<SnapshotRecord>(
      connection_,
      asked.conditions.With("ORDER BY time_ms DESC, snapshot DESC, repository DESC LIMIT ?10"),
      query.repository, asked.source, asked.host, query.run, asked.range.first, asked.range.last,
      asked.follows.time_ms, asked.follows.snapshot, asked.follows.repository,
      PageRows(query.limit));
}

Result<std::vector<SnapshotRecord>> CatalogReader::SnapshotsBeginning(
    const std::set<std::string>& prefixes, std::size_t limit) {
  std::map<Bytes, SnapshotRecord> found;
  for (const std::string& prefix : prefixes) {
    HF_ASSIGN(const IdRange range, RangeOf(prefix));
    HF_ASSIGN(std::vector<SnapshotRecord> some,
              ReadRecords<SnapshotRecord>(connection_, "WHERE snapshot BETWEEN ? AND ? LIMIT ?",
                                          range.first, range.last, limit));
    for (SnapshotRecord& snapshot : some) {
      if (found.size() < limit) found.emplace(snapshot.snapshot, std::move(snapshot));
    }
    if (found.size() == limit) break;
  }
  std::vector<SnapshotRecord> snapshots;
  for (auto& [id, snapshot] : found) snapshots.push_back(std::move(snapshot));
  return snapshots;
}

Result<std::vector<std::string>> CatalogReader::Distinct(std::string_view column,
                                                         const SnapshotQuery& query) {
  HF_ASSIGN(const SnapshotConditions asked, ConditionsOf(query));
  HF_ASSIGN(
      Statement rows,
      connection_.Query(fmt::format("SELECT DISTINCT {0} FROM snapshot {1} ORDER BY {0} LIMIT ?10",
                                    column, asked.conditions.With("")),
                        query.repository, asked.source, asked.host, query.run, asked.range.first,
                        asked.range.last, asked.follows.time_ms, asked.follows.snapshot,
                        asked.follows.repository, PageRows(kPageRowsMax)));
  return ReadTexts(std::move(rows));
}

Result<std::vector<std::string>> CatalogReader::SnapshotHosts(const SnapshotQuery& query) {
  return Distinct("host", query);
}

Result<std::vector<std::string>> CatalogReader::SnapshotRepositories(const SnapshotQuery& query) {
  return Distinct("repository", query);
}

Result<std::optional<DraftRecord>> CatalogReader::Draft(std::string_view run) {
  HF_ASSIGN(Transaction moment, Transaction::Begin(connection_));
  HF_ASSIGN(std::vector<DraftRecord> drafts,
            ReadRecords<DraftRecord>(connection_, "WHERE run = ?", run));
  HF_TRY(CompleteDrafts(connection_, drafts));
  if (drafts.empty()) return std::nullopt;
  return std::move(drafts.front());
}

Result<std::vector<DraftRecord>> CatalogReader::DraftsNamed(std::string_view text, bool open_only,
                                                            std::uint32_t limit) {
  HF_ASSIGN(Transaction moment, Transaction::Begin(connection_));
  HF_ASSIGN(std::vector<DraftRecord> drafts,
            ReadNamed<DraftRecord>(connection_, text, open_only ? "AND state = 1" : "", limit));
  HF_TRY(CompleteDrafts(connection_, drafts));
  return drafts;
}

Result<std::vector<std::string>> CatalogReader::NewestDrafts() {
  HF_ASSIGN(Statement rows,
            connection_.Query("SELECT run FROM draft ORDER BY run DESC LIMIT ?", kPageRowsMax));
  return ReadTexts(std::move(rows));
}

Result<std::vector<DraftRecord>> CatalogReader::Drafts(bool open_only, std::string_view before,
                                                       std::uint32_t limit) {
  Conditions conditions;
  conditions.Add(open_only, "state = 1");
  conditions.Add(!before.empty(), "run < ?1");
  HF_ASSIGN(Transaction moment, Transaction::Begin(connection_));
  HF_ASSIGN(
      Statement row,
      connection_.Query(SelectText<DraftRecord>(conditions.With("ORDER BY run DESC LIMIT ?2")),
                        before, PageRows(limit)));
  std::vector<DraftRecord> drafts;
  for (std::uint64_t bytes = 0; bytes < kPageBytesMax; bytes += drafts.back().payload.size()) {
    HF_ASSIGN(bool has_row, row.Next());
    if (!has_row) break;
    HF_ASSIGN(DraftRecord draft, ReadRecord<DraftRecord>(row));
    drafts.push_back(std::move(draft));
  }
  HF_TRY(CompleteDrafts(connection_, drafts));
  return drafts;
}

}  // namespace holdfast::controller
