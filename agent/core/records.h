// The persistent state of an agent: what its core decides on and its journal stores.
//
// The journal applies all Changes of one step in one transaction. Only when they are durable may
// the step's messages be sent and its jobs start. A Change that is a record inserts it or replaces
// the one with the same key. After a crash, the core restarts only from a Loaded.
//
// Plain values. Times are milliseconds since 1970, 0 if unknown. Ids and hashes are bytes of the
// given length, or empty. States: docs/protocol.md#runs.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/protocol_words.h"

namespace holdfast::agent {

using holdfast::OrderKind;
using holdfast::TaskState;

// This agent's identity from joining, and its counters. Keys are not part of it. A single record.
struct IdentityRecord {
  std::string cluster_id;
  std::string cluster;
  std::string node;
  std::uint64_t incarnation = 0;
  std::uint64_t root_version = 0;
  Bytes root;                         // Envelope of the newest root document
  std::uint64_t epoch = 0;            // highest controller epoch ever seen
  std::int64_t t_max_ms = 0;          // the latest time that its own clock ever showed
  std::uint64_t report_sequence = 0;  // of the newest report
  Bytes report_hash;                  // 32; of its payload
  // 32; the bus key that the root document has replaced. Empty once the new key has worked.
  Bytes former_bus_key;
  bool operator==(const IdentityRecord&) const = default;
};

// Key: key_id. Unknown plans of that controller key at or below this sequence are refused.
struct FloorRecord {
  Bytes key_id;  // 32
  std::uint64_t sequence = 0;
  bool operator==(const FloorRecord&) const = default;
};

enum class PlanState : std::uint8_t {
  kAccepted = 1,  // may have something left to do
  kRefused = 2,   // never executed
  kEnded = 3,     // its outcome is reported
};

// Key: plan_id. Kept until 24 hours plus the tolerance after its expiry. Then the floor rises.
struct PlanRecord {
  Bytes plan_id;  // 16
  Bytes key_id;   // 32; of the controller that signed it
  std::uint64_t sequence = 0;
  Bytes hash;  // 32; SHA-256 of the payload
  OrderKind kind = OrderKind::kBackup;
  PlanState state = PlanState::kAccepted;
  std::string run;
  std::int64_t accepted_ms = 0;  // or refused
  std::int64_t expires_ms = 0;
  Bytes envelope;  // as received; cleared when the plan has ended, except for cut orders
  bool operator==(const PlanRecord&) const = default;
};

// Key: plan_id, task. An ended task. A crash before that restarts the task.
struct TaskRecord {
  Bytes plan_id;  // 16
  std::uint32_t task = 0;
  TaskState state = TaskState::kAccepted;
  std::uint64_t report_sequence = 0;  // of the report of the outcome
  bool operator==(const TaskRecord&) const = default;
};

// Key: plan_id, task. A part in the repository that is not in a snapshot yet. A repository lock
// must protect its packs from a prune until the run is over on this node. After a start, the agent
// takes a new lock for each part before it removes its own dead ones. The record of a compose order
// has no part; it represents the lock under which its snapshot may be written.
struct UncomposedPartRecord {
  Bytes plan_id;  // 16
  std::uint32_t task = 0;
  std::string run;
  std::string source;
  std::string repository;
  Bytes part;  // Part of proto/holdfast/v1/plan.proto, serialised
  std::int64_t expires_ms = 0;
  bool operator==(const UncomposedPartRecord&) const = default;
};

// Key: run, source, repository. A sealed snapshot. Every attempt writes exactly these bytes,
// because the snapshot's id is their hash.
struct SealedRecord {
  std::string run;
  std::string source;
  std::string repository;
  Bytes snapshot;  // 32
  Bytes sealed;
  Bytes composed;  // serialised Composed of proto/holdfast/v1/plan.proto, to be reported
  std::int64_t expires_ms = 0;
  bool operator==(const SealedRecord&) const = default;
};

// Key: sequence. Kept until taken and for at least 30 days, so that a controller that lost its
// catalog can get it again.
struct ReportRecord {
  std::uint64_t sequence = 0;
  Bytes plan_id;  // 16, or empty
  std::uint32_t task = 0;
  std::int64_t time_ms = 0;
  Bytes hash;      // 32; of the payload
  Bytes envelope;  // signed
  bool operator==(const ReportRecord&) const = default;
};

// Key: run. The run was ended by an order, so later plans of it start nothing.
struct EndedRunRecord {
  std::string run;
  bool cancelled = false;
  std::int64_t expires_ms = 0;  // when the record may be forgotten
  bool operator==(const EndedRunRecord&) const = default;
};

// Also forgets its tasks and parts.
struct ForgetPlan {
  Bytes plan_id;
  bool operator==(const ForgetPlan&) const = default;
};
struct RemovePart {
  Bytes plan_id;
  std::uint32_t task = 0;
  bool operator==(const RemovePart&) const = default;
};
struct RemoveSealed {
  std::string run;
  std::string source;
  std::string repository;
  bool operator==(const RemoveSealed&) const = default;
};
struct ForgetRun {
  std::string run;
  bool operator==(const ForgetRun&) const = default;
};
// The controller has every report up to `sequence`.
struct ReportsTaken {
  std::uint64_t sequence = 0;
  bool operator==(const ReportsTaken&) const = default;
};
// Deletes taken reports that were made before `before_ms`.
struct ForgetReports {
  std::int64_t before_ms = 0;
  bool operator==(const ForgetReports&) const = default;
};

using Change =
    std::variant<IdentityRecord, FloorRecord, PlanRecord, TaskRecord, UncomposedPartRecord,
                 SealedRecord, ReportRecord, EndedRunRecord, ForgetPlan, RemovePart, RemoveSealed,
                 ForgetRun, ReportsTaken, ForgetReports>;

// The state that a core starts from. In any order, except for `reports`, which ascend.
struct Loaded {
  IdentityRecord identity;
  std::vector<FloorRecord> floors;
  std::vector<PlanRecord> plans;
  std::vector<TaskRecord> tasks;
  std::vector<UncomposedPartRecord> parts;
  std::vector<SealedRecord> sealed;
  std::vector<EndedRunRecord> ended_runs;
  std::uint64_t reports_taken = 0;    // the last ReportsTaken
  std::uint64_t reports_oldest = 0;   // sequence of the oldest report kept; 0: none
  std::vector<ReportRecord> reports;  // reports after reports_taken
  bool operator==(const Loaded&) const = default;
};

}  // namespace holdfast::agent
