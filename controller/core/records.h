// The durable state of a controller: the values that its core decides on and its catalog stores.
//
// Contract between the two: a step of the core returns Changes. The catalog applies all of one step
// in one transaction. Only when that is durable may messages about it be sent (record first, then
// speak). A Change that is a record inserts it, or replaces the one with the same key. After a
// crash the core starts from a Loaded and from nothing else.
//
// Plain values: no behaviour, no ownership, safe to copy. Times are milliseconds since 1970, 0 if
// unknown. Ids and hashes are bytes of the stated length, or empty. States: docs/protocol.md#runs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/backup_scope.h"
#include "common/base/bytes.h"
#include "common/base/protocol_words.h"

namespace holdfast::controller {

using holdfast::OrderKind;
// Prepared, cut and saving are known only from progress; they never reach the catalog.
using holdfast::TaskState;
// The run needs nothing more from the task's agent.
inline bool IsFinal(TaskState state) {
  return state == TaskState::kComposed || state == TaskState::kFailed ||
         state == TaskState::kRefused || state == TaskState::kCancelled ||
         state == TaskState::kDone;
}

enum class RunState : std::uint8_t {
  kQueued = 1,  // waits for another run that uses one of its sources
  kRunning = 2,
  kDone = 3,
  kPartlyDone = 4,
  kFailed = 5,
  kCancelled = 6,
};
// "queued", "running", "done", "partly done", "failed", "cancelled".
std::string_view RunStateName(RunState state);
inline bool IsFinal(RunState state) { return state > RunState::kRunning; }

// The one cluster that this controller serves: a single record, without a key.
struct ClusterRecord {
  std::string cluster_id;  // ULID
  std::string cluster;     // name
  std::uint64_t epoch = 0;
  std::uint64_t root_version = 0;
  Bytes root;  // Envelope of the newest root document
  bool operator==(const ClusterRecord&) const = default;
};

// Key: version. All versions of the root document. Each one is verified by the previous one, so an
// agent that was away for long needs them all.
struct RootRecord {
  std::uint64_t version = 0;
  Bytes envelope;
  bool operator==(const RootRecord&) const = default;
};

// A source, as in an agent's Hello.
struct ConfiguredSource {
  std::string source;  // "kind/name"
  std::string repository;
  Topology topology = Topology::kLocal;
  bool operator==(const ConfiguredSource&) const = default;
};

// Key: node.
struct AgentRecord {
  std::string node;
  std::uint64_t incarnation = 0;
  Bytes signing_key;  // 32
  Bytes curve_key;    // 32
  std::int64_t joined_ms = 0;
  std::int64_t last_seen_ms = 0;
  bool revoked = false;
  std::string version;
  std::uint64_t root_version = 0;
  std::vector<ConfiguredSource> sources;
  std::vector<std::string> repositories;
  std::map<std::string, bool> healthy;  // source -> result of its last probe; absent: not known
  std::uint64_t plan_sequence = 0;      // of its newest plan
  std::uint64_t report_sequence = 0;    // of the newest report taken, in this incarnation
  Bytes report_hash;  // 32; of that report's payload; empty: the next one starts a chain
  bool operator==(const AgentRecord&) const = default;
};

// Key: run.
struct RunRecord {
  std::string run;  // ULID
  OrderKind kind = OrderKind::kBackup;
  RunState state = RunState::kRunning;
  std::string requester;  // "uid:1000(anna)@admin-1"
  std::string reason;     // the operator's note
  std::vector<std::string> selectors;
  bool queue_if_busy = false;
  bool cancelled = false;  // an operator cancelled it
  std::uint32_t splay_ms = 0;
  std::int64_t created_ms = 0;
  std::int64_t started_ms = 0;  // 0 while queued
  std::int64_t deadline_ms = 0;
  std::int64_t cut_ms = 0;  // when its tasks were ordered to cut; 0 before
  std::int64_t ended_ms = 0;
  // Nothing remains to be done for it: no agent still has to receive its end. Runs that are not
  // closed are part of Loaded, with their tasks and plans.
  bool closed = false;
  std::string message;  // why it failed, if no task says so
  std::string hint;
  std::string repository;  // verify, inventory
  bool read_data = false;  // verify
  bool operator==(const RunRecord&) const = default;
};

// Key: run, number. A retry or takeover is another task with a higher round, and so is each further
// page of an inventory.
struct TaskRecord {
  std::string run;
  std::uint32_t number = 0;
  OrderKind kind = OrderKind::kBackup;  // backup, compose, probe, verify, inventory, restore...
  TaskState state = TaskState::kPlanned;
  std::string node;
  std::string source;  // empty for orders over a whole repository or all sources
  std::string repository;
  Topology topology = Topology::kLocal;
  std::string host;  // of the snapshot: the node's or the cluster's name
  std::uint32_t round = 0;
  BackupScope scope = BackupScope::kWhole;  // only for backups
  Bytes plan_id;                            // 16; its newest plan; empty while the run is queued
  std::uint32_t plan_task = 0;
  std::int64_t created_ms = 0;
  std::int64_t ended_ms = 0;  // of the final state
  bool late = false;          // was not prepared when the cut was ordered
  bool cut_barrier_met = false;
  std::optional<TaskError> error;
  Bytes snapshot;  // 32 bytes: what the task composed, or restores
  Bytes report;    // payload of the report that ended it, signed by the agent; may be unreadable
  bool operator==(const TaskRecord&) const = default;
};

enum class PlanState : std::uint8_t {
  kSent = 1,      // signed, and sent until it is answered
  kAccepted = 2,  // the agent has stored it
  kRefused = 3,
  kExpired = 4,
};

// Key: plan_id. The envelope is sent byte for byte, as often as needed.
struct PlanRecord {
  Bytes plan_id;  // 16
  std::string run;
  std::string node;
  std::uint64_t incarnation = 0;
  std::uint64_t sequence = 0;
  OrderKind kind = OrderKind::kBackup;
  PlanState state = PlanState::kSent;
  std::int64_t issued_ms = 0;
  std::int64_t expires_ms = 0;
  Bytes hash;      // 32; SHA-256 of the payload
  Bytes envelope;  // signed
  bool operator==(const PlanRecord&) const = default;
};

// Key: repository, snapshot. One composed snapshot.
struct SnapshotRecord {
  std::string repository;
  Bytes snapshot;  // 32
  std::string source;
  std::string host;
  std::string run;
  std::string node;  // that composed it; empty if only an inventory knows it
  std::int64_t time_ms = 0;
  std::int64_t recorded_ms = 0;  // when this controller learnt of it
  bool partial = false;
  bool invalid = false;  // the service's checker rejected the content
  bool safety = false;   // taken by a restore of `source`; not a backup
  Bytes parent;          // 32
  std::uint64_t items = 0;
  std::uint64_t files = 0;  // also 0 for snapshots recorded before this field existed
  std::uint64_t bytes = 0;
  std::uint64_t missing_count = 0;
  bool cut_barrier_met = false;
  std::map<std::string, std::string> position;
  std::string note;
  bool operator==(const SnapshotRecord&) const = default;
};

struct Approval {
  std::string person;
  Bytes key_id;     // 32
  Bytes signature;  // 64, over the draft's payload
  std::string actor;
  std::int64_t time_ms = 0;
  bool operator==(const Approval&) const = default;
};

enum class DraftState : std::uint8_t { kOpen = 1, kSent = 2, kDenied = 3, kExpired = 4 };
std::string_view DraftStateName(DraftState state);

// Key: run. An order that waits for its operators: the bytes that they sign.
struct DraftRecord {
  std::string run;  // ULID; also of its run, once it is sent
  OrderKind kind = OrderKind::kRestore;
  DraftState state = DraftState::kOpen;
  std::string node;
  std::string source;
  std::string repository;
  Bytes plan_id;  // 16
  Bytes payload;  // of the plan
  std::string requester;
  std::string reason;
  std::uint32_t operators = 0;  // how many distinct persons must sign it
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
  std::vector<Approval> approvals;
  std::string denied_by;
  bool operator==(const DraftRecord&) const = default;
};

// Key: node. An unused join token. The secret itself is not stored.
struct TokenRecord {
  std::string node;
  Bytes secret_hash;  // 32; SHA-256 of the secret
  std::string requester;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
  bool operator==(const TokenRecord&) const = default;
};

// One event of the audit. The catalog assigns its sequence and fixes its bytes, in the transaction
// of the changes that it describes. Types: docs/protocol.md#audit.
struct AuditEntry {
  std::int64_t time_ms = 0;
  std::string type;
  std::string actor;
  std::string subject;
  std::string run;
  std::map<std::string, std::string> facts;
  Bytes evidence;  // the signed Envelope that caused it
  bool operator==(const AuditEntry&) const = default;
};

// Changes of single fields, for what happens often. Each names an existing record.
struct PlanAnswered {
  Bytes plan_id;
  PlanState state = PlanState::kAccepted;
  bool operator==(const PlanAnswered&) const = default;
};
struct PlanSequence {
  std::string node;
  std::uint64_t sequence = 0;
  bool operator==(const PlanSequence&) const = default;
};
// Has no audit event if the report was refused and its evidence is not stored.
struct ReportCursor {
  std::string node;
  std::uint64_t sequence = 0;
  Bytes hash;  // 32
  bool operator==(const ReportCursor&) const = default;
};
// A change without an audit event: it is batched, and may be out of date.
struct LastSeen {
  std::vector<std::pair<std::string, std::int64_t>> nodes;
  bool operator==(const LastSeen&) const = default;
};
struct RemoveToken {
  std::string node;
  bool operator==(const RemoveToken&) const = default;
};
// The repository no longer has it.
struct RemoveSnapshot {
  std::string repository;
  Bytes snapshot;
  bool operator==(const RemoveSnapshot&) const = default;
};
// A run of a lost catalog, from an agent's old report. Inserted unless a run with that ULID exists.
// If the existing run was recovered in the same way, it can still become partly done. Its snapshots
// have their own records.
struct RecoverRun {
  RunRecord run;
  bool operator==(const RecoverRun&) const = default;
};
// A snapshot from an inventory or from an agent's old report. Inserted unless it is known. In a
// known record, only empty fields are filled in: each of the two sources knows something that the
// other does not, and a catalog that made the order knows more than both.
struct RecoverSnapshot {
  SnapshotRecord snapshot;
  bool operator==(const RecoverSnapshot&) const = default;
};
// An inventory has seen the whole repository: its snapshots that were recorded before `begun_ms`
// and are not in `seen` no longer exist.
struct InventoryEnded {
  std::string repository;
  std::int64_t begun_ms = 0;
  std::vector<Bytes> seen;  // ascending
  bool operator==(const InventoryEnded&) const = default;
};

using Change = std::variant<ClusterRecord, RootRecord, AgentRecord, RunRecord, TaskRecord,
                            PlanRecord, SnapshotRecord, DraftRecord, TokenRecord, AuditEntry,
                            PlanAnswered, PlanSequence, ReportCursor, LastSeen, RemoveToken,
                            RemoveSnapshot, RecoverRun, RecoverSnapshot, InventoryEnded>;

// Everything that a core starts from. The order does not matter.
struct Loaded {
  std::optional<ClusterRecord> cluster;
  std::vector<RootRecord> roots;  // all versions
  std::vector<AgentRecord> agents;
  std::vector<RunRecord> runs;      // that are not closed
  std::vector<TaskRecord> tasks;    // of those runs
  std::vector<PlanRecord> plans;    // of those runs
  std::vector<DraftRecord> drafts;  // that are open
  std::vector<TokenRecord> tokens;
  bool operator==(const Loaded&) const = default;
};

}  // namespace holdfast::controller
