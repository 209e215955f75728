#include "controller/catalog/catalog_compare.h"

#include <charconv>
#include <span>
#include <utility>

#include "common/base/format.h"

namespace holdfast::controller {

// Gives the comparison access to a reader's tables.
class CatalogComparison {
 public:
  static Database& ConnectionOf(CatalogReader& reader) { return reader.connection_; }
};

namespace {

constexpr std::size_t kFirstMax = 1'000;
constexpr std::size_t kShownMax = 80;

struct ComparedColumn {
  std::string_view name;
  Recovery recovery;
  // A number that only grows: if it has grown, this column is newer and not lost.
  std::string_view grows;
};
struct ComparedTable {
  std::string_view name;
  std::size_t keys;  // how many columns, from the first, are the key
  std::span<const ComparedColumn> columns;
  // SQL: agents can no longer report this row.
  std::string_view is_unreported = "0";
};

constexpr Recovery kRepositories = Recovery::kRepositories;
constexpr Recovery kReports = Recovery::kReports;
constexpr Recovery kAgents = Recovery::kAgents;
constexpr Recovery kFiles = Recovery::kFiles;
constexpr Recovery kNothing = Recovery::kNothing;

constexpr ComparedColumn kCluster[] = {{"id", kFiles},           {"cluster_id", kFiles},
                                       {"cluster", kFiles},      {"epoch", kFiles},
                                       {"root_version", kFiles}, {"root", kFiles}};
constexpr ComparedColumn kRoot[] = {{"version", kFiles}, {"envelope", kFiles}};
constexpr ComparedColumn kAgent[] = {{"node", kFiles},
                                     {"incarnation", kFiles},
                                     {"signing_key", kFiles},
                                     {"curve_key", kFiles},
                                     {"joined_ms", kFiles},
                                     {"revoked", kFiles},
                                     {"version", kAgents},
                                     {"root_version", kAgents, "root_version"},
                                     {"report_sequence", kReports, "report_sequence"},
                                     {"report_hash", kReports, "report_sequence"},
                                     {"plan_sequence", kNothing, "plan_sequence"},
                                     {"last_seen_ms", kNothing, "last_seen_ms"}};
constexpr ComparedColumn kAgentSource[] = {{"node", kAgents},
                                           {"number", kAgents},
                                           {"source", kAgents},
                                           {"repository", kAgents},
                                           {"topology", kAgents}};
constexpr ComparedColumn kAgentRepository[] = {
    {"node", kAgents}, {"number", kAgents}, {"repository", kAgents}};
constexpr ComparedColumn kAgentHealth[] = {
    {"node", kReports}, {"source", kReports}, {"healthy", kReports}};
constexpr ComparedColumn kToken[] = {{"node", kNothing},
                                     {"secret_hash", kNothing},
                                     {"requester", kNothing},
                                     {"created_ms", kNothing},
                                     {"expires_ms", kNothing}};
constexpr ComparedColumn kRun[] = {
    {"run", kReports},           {"kind", kReports},       {"state", kNothing},
    {"requester", kNothing},     {"reason", kNothing},     {"selectors", kNothing},
    {"queue_if_busy", kNothing}, {"cancelled", kNothing},  {"splay_ms", kNothing},
    {"created_ms", kNothing},    {"started_ms", kNothing}, {"deadline_ms", kNothing},
    {"cut_ms", kNothing},        {"ended_ms", kNothing},   {"closed", kNothing},
    {"message", kNothing},       {"hint", kNothing},       {"repository", kNothing},
    {"read_data", kNothing}};
constexpr ComparedColumn kTask[] = {
    {"run", kNothing},        {"number", kNothing},    {"kind", kNothing},
    {"state", kNothing},      {"node", kNothing},      {"source", kNothing},
    {"repository", kNothing}, {"topology", kNothing},  {"host", kNothing},
    {"round", kNothing},      {"data", kNothing},      {"compose", kNothing},
    {"plan_id", kNothing},    {"plan_task", kNothing}, {"created_ms", kNothing},
    {"ended_ms", kNothing},   {"late", kNothing},      {"cut_barrier_met", kNothing},
    {"rest", kNothing},       {"error", kNothing},     {"snapshot", kNothing},
    {"report", kNothing}};
constexpr ComparedColumn kSourceRun[] = {
    {"source", kNothing}, {"node", kNothing}, {"run", kNothing}};
constexpr ComparedColumn kPlan[] = {
    {"plan_id", kNothing},    {"run", kNothing},  {"node", kNothing},    {"incarnation", kNothing},
    {"sequence", kNothing},   {"kind", kNothing}, {"state", kNothing},   {"issued_ms", kNothing},
    {"expires_ms", kNothing}, {"hash", kNothing}, {"envelope", kNothing}};
constexpr ComparedColumn kSnapshot[] = {{"repository", kRepositories},
                                        {"snapshot", kRepositories},
                                        {"source", kRepositories},
                                        {"host", kRepositories},
                                        {"run", kRepositories},
                                        {"time_ms", kRepositories},
                                        {"partial", kRepositories},
                                        {"parent", kRepositories},
                                        {"items", kRepositories},
                                        {"files", kRepositories},
                                        {"bytes", kRepositories},
                                        {"note", kRepositories},
                                        {"node", kReports},
                                        {"missing_count", kReports},
                                        {"cut_barrier_met", kReports},
                                        {"position", kReports},
                                        {"recorded_ms", kNothing}};
constexpr ComparedColumn kDraft[] = {
    {"run", kNothing},        {"kind", kNothing},      {"state", kNothing},
    {"node", kNothing},       {"source", kNothing},    {"repository", kNothing},
    {"plan_id", kNothing},    {"payload", kNothing},   {"requester", kNothing},
    {"reason", kNothing},     {"operators", kNothing}, {"created_ms", kNothing},
    {"expires_ms", kNothing}, {"denied_by", kNothing}};
constexpr ComparedColumn kApproval[] = {
    {"run", kNothing},       {"number", kNothing}, {"person", kNothing}, {"key_id", kNothing},
    {"signature", kNothing}, {"actor", kNothing},  {"time_ms", kNothing}};
constexpr ComparedColumn kAudit[] = {{"sequence", kNothing}, {"leaf", kNothing}};

// An agent's journal keeps its reports for 30 days, here before the newest event. A revoked agent
// is not asked.
constexpr std::string_view kRevokedNode =
    "coalesce((SELECT revoked FROM agent AS a WHERE a.node = t.node), 0)";
constexpr std::string_view kUnreportedSnapshot =
    "t.recorded_ms < (SELECT time_ms FROM audit ORDER BY sequence DESC LIMIT 1) - 2592000000 OR "
    "coalesce((SELECT revoked FROM agent AS a WHERE a.node = t.node), 0)";
// Without a snapshot, reports alone do not say what a run was.
constexpr std::string_view kUnreportedRun =
    "t.ended_ms < (SELECT time_ms FROM audit ORDER BY sequence DESC LIMIT 1) - 2592000000 OR "
    "NOT EXISTS (SELECT 1 FROM snapshot AS s WHERE s.run = t.run AND "
    "NOT coalesce((SELECT revoked FROM agent AS a WHERE a.node = s.node), 0))";

constexpr ComparedTable kTables[] = {
    {"cluster", 1, kCluster},
    {"root", 1, kRoot},
    {"agent", 1, kAgent, "t.revoked"},
    {"agent_source", 2, kAgentSource, kRevokedNode},
    {"agent_repository", 2, kAgentRepository, kRevokedNode},
    {"agent_health", 2, kAgentHealth, kRevokedNode},
    {"token", 1, kToken},
    {"run", 1, kRun, kUnreportedRun},
    {"task", 2, kTask},
    {"source_run", 2, kSourceRun},
    {"plan", 1, kPlan},
    {"snapshot", 2, kSnapshot, kUnreportedSnapshot},
    {"draft", 1, kDraft},
    {"approval", 2, kApproval},
    {"audit", 1, kAudit},
};

// The query for both sides. The first column is the key, as text that sorts like the key. The
// second is whether the row is unreported.
std::string SelectOf(const ComparedTable& table) {
  std::string order;
  std::string keys;
  std::string values;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    std::string name(table.columns[i].name);
    values += fmt::format(", quote({})", name);
    if (i >= table.keys) continue;
    keys += (keys.empty() ? "" : ", ") + name;
    order += order.empty() ? "" : " || ' ' || ";
    order += fmt::format(
        "CASE typeof({0}) WHEN 'integer' THEN printf('%020d', {0}) ELSE hex({0}) END", name);
  }
  return fmt::format("SELECT {}, CAST(({}) <> 0 AS TEXT){} FROM {} AS t ORDER BY {}", order,
                     table.is_unreported, values, table.name, keys);
}

// One side's rows, in key order.
class Rows {
 public:
  static Result<Rows> Open(CatalogReader& reader, const ComparedTable& table) {
    HF_ASSIGN(Statement statement, CatalogComparison::ConnectionOf(reader).Query(SelectOf(table)));
    Rows rows(std::move(statement), table.columns.size());
    HF_TRY(rows.Step());
    return rows;
  }

  Result<void> Step() {
    HF_ASSIGN(has_row_, statement_.Next());
    if (!has_row_) return {};
    HF_ASSIGN(key_, statement_.Text(0));
    for (std::size_t i = 0; i < values_.size(); ++i) {
      HF_ASSIGN(values_[i], statement_.Text(static_cast<int>(i) + 2));
    }
    HF_ASSIGN(const std::string unreported, statement_.Text(1));
    is_unreported_ = unreported != "0";
    return {};
  }

  bool has_row() const { return has_row_; }
  const std::string& key() const { return key_; }
  bool is_unreported() const { return is_unreported_; }
  const std::vector<std::string>& values() const { return values_; }

 private:
  Rows(Statement statement, std::size_t columns)
      : statement_(std::move(statement)), values_(columns) {}

  Statement statement_;
  bool has_row_ = false;
  bool is_unreported_ = false;
  std::string key_;
  std::vector<std::string> values_;
};

// Cuts between characters, so that the text stays readable.
std::string Shown(const std::string& value) {
  if (value.size() <= kShownMax) return value;
  std::size_t end = kShownMax;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xc0) == 0x80) --end;
  return value.substr(0, end) + "...";
}

std::string KeyOf(const ComparedTable& table, const Rows& rows) {
  std::string key;
  for (std::size_t i = 0; i < table.keys; ++i) key += (i == 0 ? "" : " ") + rows.values()[i];
  return key;
}

void Add(CatalogDifference& all, Difference one) {
  ++all.counts[static_cast<std::size_t>(one.recovery)];
  ++all.tallies[{one.table, one.column, one.recovery}];
  if (all.first.size() < kFirstMax) all.first.push_back(std::move(one));
}

Recovery RecoveryOf(const ComparedColumn& column, const Rows& before) {
  const bool is_reported = column.recovery == kReports || column.recovery == kAgents;
  return is_reported && before.is_unreported() ? kNothing : column.recovery;
}

void AddRow(CatalogDifference& all, const ComparedTable& table, const Rows& rows, bool is_before) {
  Add(all, {.table = std::string(table.name),
            .key = KeyOf(table, rows),
            .column = "",
            .before = is_before ? "there" : "",
            .after = is_before ? "" : "there",
            .recovery = is_before ? RecoveryOf(table.columns[0], rows) : Recovery::kNewer});
}

std::int64_t NumberIn(const ComparedTable& table, const Rows& rows, std::string_view column) {
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (table.columns[i].name != column) continue;
    const std::string& text = rows.values()[i];
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }
  return 0;
}

void AddColumns(CatalogDifference& all, const ComparedTable& table, const Rows& before,
                const Rows& after) {
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (before.values()[i] == after.values()[i]) continue;
    const ComparedColumn& column = table.columns[i];
    const bool is_newer = !column.grows.empty() && NumberIn(table, after, column.grows) >
                                                       NumberIn(table, before, column.grows);
    Add(all, {.table = std::string(table.name),
              .key = KeyOf(table, before),
              .column = std::string(column.name),
              .before = Shown(before.values()[i]),
              .after = Shown(after.values()[i]),
              .recovery = is_newer ? Recovery::kNewer : RecoveryOf(column, before)});
  }
}

Result<void> CompareTable(CatalogReader& before, CatalogReader& after, const ComparedTable& table,
                          CatalogDifference& all) {
  HF_ASSIGN(Rows left, Rows::Open(before, table));
  HF_ASSIGN(Rows right, Rows::Open(after, table));
  while (left.has_row() || right.has_row()) {
    if (!right.has_row() || (left.has_row() && left.key() < right.key())) {
      AddRow(all, table, left, true);
      HF_TRY(left.Step());
    } else if (!left.has_row() || right.key() < left.key()) {
      AddRow(all, table, right, false);
      HF_TRY(right.Step());
    } else {
      AddColumns(all, table, left, right);
      HF_TRY(left.Step());
      HF_TRY(right.Step());
    }
  }
  return {};
}

}  // namespace

std::string_view RecoveryName(Recovery recovery) {
  switch (recovery) {
    case Recovery::kRepositories:
      return "repositories";
    case Recovery::kReports:
      return "reports";
    case Recovery::kAgents:
      return "agents";
    case Recovery::kFiles:
      return "files";
    case Recovery::kNothing:
      return "nothing";
    case Recovery::kNewer:
      return "newer";
  }
  return "nothing";
}

Result<CatalogDifference> CompareCatalogs(CatalogReader& before, CatalogReader& after) {
  HF_ASSIGN(Transaction left, Transaction::Begin(CatalogComparison::ConnectionOf(before)));
  HF_ASSIGN(Transaction right, Transaction::Begin(CatalogComparison::ConnectionOf(after)));
  CatalogDifference all;
  for (const ComparedTable& table : kTables) HF_TRY(CompareTable(before, after, table, all));
  return all;
}

}  // namespace holdfast::controller
