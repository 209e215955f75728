// What an agent knows for good: the values that its core decides on and its journal keeps.
//
// Contract between the two. A step of the core hands out Changes; the journal applies all of one
// step in one transaction, and only when that is durable may the step's messages be sent and its
// jobs begin. A Change that is a record puts it: inserted, or replacing the one of the same key.
// After a crash the core starts from a Loaded and from nothing else.
//
// Plain values, safe to copy. Times are milliseconds since 1970, 0 where unknown; ids and hashes
// are bytes of the length that is named, or empty. States: docs/protocol.md#runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/protocol_words.h"

namespace holdfast::agent {

using holdfast::OrderKind;
using holdfast::TaskState;

// Who this agent is, as it was told when it joined, and how far it is. No key: there is one.
struct IdentityRecord {
  std::string cluster_id = {};
  std::string cluster = {};
  std::string node = {};
  std::uint64_t incarnation = 0;
  std::uint64_t root_version = 0;
  Bytes root = {};                    // Envelope of the newest root document
  std::uint64_t epoch = 0;            // the highest of a controller that was ever seen
  std::int64_t t_max_ms = 0;          // the latest time that its own clock ever showed
  std::uint64_t report_sequence = 0;  // of the newest report made
  Bytes report_hash = {};             // 32; of its payload
  bool operator==(const IdentityRecord&) const = default;
};

// Key: key_id. Below this no unknown plan of that controller key is accepted.
struct FloorRecord {
  Bytes key_id = {};  // 32
  std::uint64_t sequence = 0;
  bool operator==(const FloorRecord&) const = default;
};

enum class PlanState : std::uint8_t {
  kAccepted = 1,  // there may be something left to do
  kRefused = 2,   // nothing was done, nothing will be
  kEnded = 3,     // all that became of it is reported
};

// Key: plan_id. Kept until 24 hours and the allowance after its expiry, then the floor rises.
struct PlanRecord {
  Bytes plan_id = {};  // 16
  Bytes key_id = {};   // 32; of the controller that signed it
  std::uint64_t sequence = 0;
  Bytes hash = {};  // 32; SHA-256 of the payload
  OrderKind kind = OrderKind::kBackup;
  PlanState state = PlanState::kAccepted;
  std::string run = {};
  std::int64_t accepted_ms = 0;
  std::int64_t expires_ms = 0;
  Bytes envelope = {};  // as received; empty once it is ended
  bool operator==(const PlanRecord&) const = default;
};

// Key: plan_id, task. What survives of a task; phases before `saved` begin again after a crash.
struct TaskRecord {
  Bytes plan_id = {};  // 16
  std::uint32_t task = 0;
  TaskState state = TaskState::kAccepted;
  std::uint64_t report_sequence = 0;  // of the report that says what became of it; 0 before
  bool operator==(const TaskRecord&) const = default;
};

// Key: plan_id, task. A part that is in the repository and in no snapshot yet: its packs must be
// kept from prune by a repository lock until the run is over here. An agent that starts takes a new
// lock for each of these before it removes its own dead ones. The record of a compose order has no
// part: it stands for the lock under which its snapshot may be being written.
struct PartRecord {
  Bytes plan_id = {};  // 16
  std::uint32_t task = 0;
  std::string run = {};
  std::string source = {};
  std::string repository = {};
  Bytes part = {};  // Part of proto/holdfast/v1/plan.proto, serialised
  std::int64_t expires_ms = 0;
  bool operator==(const PartRecord&) const = default;
};

// Key: run, source, repository. A snapshot as it will be written, sealed; whoever writes it writes
// exactly these bytes, because its id is their hash.
struct SealedRecord {
  std::string run = {};
  std::string source = {};
  std::string repository = {};
  Bytes snapshot = {};  // 32
  Bytes sealed = {};
  Bytes composed =
      {};  // Composed of proto/holdfast/v1/plan.proto, serialised: what will be reported
  std::int64_t expires_ms = 0;
  bool operator==(const SealedRecord&) const = default;
};

// Key: sequence. Kept for 30 days after it was taken, so that a controller which has lost its
// catalog can be told again.
struct ReportRecord {
  std::uint64_t sequence = 0;
  Bytes plan_id = {};  // 16, or empty
  std::uint32_t task = 0;
  std::int64_t time_ms = 0;
  Bytes hash = {};      // 32; of the payload
  Bytes envelope = {};  // signed
  bool operator==(const ReportRecord&) const = default;
};

// An end was ordered for this run: no plan of it that comes later begins anything. Key: run.
struct EndedRunRecord {
  std::string run = {};
  bool cancelled = false;
  std::int64_t expires_ms = 0;  // when it may be forgotten
  bool operator==(const EndedRunRecord&) const = default;
};

// Also forgets its tasks and parts.
struct ForgetPlan {
  Bytes plan_id = {};
  bool operator==(const ForgetPlan&) const = default;
};
struct RemovePart {
  Bytes plan_id = {};
  std::uint32_t task = 0;
  bool operator==(const RemovePart&) const = default;
};
struct RemoveSealed {
  std::string run = {};
  std::string source = {};
  std::string repository = {};
  bool operator==(const RemoveSealed&) const = default;
};
struct ForgetRun {
  std::string run = {};
  bool operator==(const ForgetRun&) const = default;
};
// The controller has every report up to here.
struct ReportsTaken {
  std::uint64_t sequence = 0;
  bool operator==(const ReportsTaken&) const = default;
};
// Reports that were taken and were made before `before_ms` are old enough to go.
struct ForgetReports {
  std::int64_t before_ms = 0;
  bool operator==(const ForgetReports&) const = default;
};

using Change = std::variant<IdentityRecord, FloorRecord, PlanRecord, TaskRecord, PartRecord,
                            SealedRecord, ReportRecord, EndedRunRecord, ForgetPlan, RemovePart,
                            RemoveSealed, ForgetRun, ReportsTaken, ForgetReports>;

// All that a core starts from. Order does not matter, but for `reports`, which ascend.
struct Loaded {
  IdentityRecord identity;
  std::vector<FloorRecord> floors = {};
  std::vector<PlanRecord> plans = {};
  std::vector<TaskRecord> tasks = {};
  std::vector<PartRecord> parts = {};
  std::vector<SealedRecord> sealed = {};
  std::vector<EndedRunRecord> ended_runs = {};
  std::uint64_t reports_taken = 0;   // the last ReportsTaken
  std::uint64_t reports_oldest = 0;  // sequence of the oldest report that is still kept; 0: none
  std::vector<ReportRecord> reports = {};  // those behind reports_taken
  bool operator==(const Loaded&) const = default;
};

}  // namespace holdfast::agent
