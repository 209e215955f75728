// Input and output of an agent's core.
//
// The performer (the daemon or a simulation) passes in one Event at a time, with its time. It makes
// the returned Changes durable, and only then performs the Actions, in order. Jobs run
// concurrently. Each is named by its TaskKey and ends with exactly one of TaskSaved (of a backup),
// TaskComposed, TaskDone and TaskFailed, even if it was stopped. Plain values; nothing here touches
// the system.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/core/records.h"
#include "common/base/backup_scope.h"
#include "common/base/bytes.h"

namespace holdfast::agent {

// `boot_ms` is CLOCK_BOOTTIME: it never jumps, and continues while the machine sleeps.
struct Time {
  std::int64_t wall_ms = 0;  // since 1970
  std::int64_t boot_ms = 0;
};

struct TaskKey {
  Bytes plan_id;
  std::uint32_t task = 0;
  bool operator==(const TaskKey&) const = default;
  std::strong_ordering operator<=>(const TaskKey& other) const {
    const auto order = AsText(plan_id) <=> AsText(other.plan_id);
    return order == 0 ? task <=> other.task : order;
  }
};

namespace event {

// The first event. Resumes what a crash interrupted.
struct Started {};
// NextWake() has been reached.
struct TimePassed {};
// The bus has established a new connection. The core starts a session with a Hello.
struct Connected {
  bool is_former_key = false;  // the controller has only the former bus key
};
// A ControllerMessage, unparsed.
struct MessageReceived {
  Bytes message;
};

struct TaskPrepared {
  TaskKey key;
};
struct TaskCut {
  TaskKey key;
  std::int64_t cut_time_ms = 0;
};
struct TaskProgress {
  TaskKey key;
  std::string phase;
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::uint64_t items_total = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_unchanged = 0;
};
// Packs and index are durable; nothing is visible yet. The job has ended, but its repository lock
// stays held until ReleasePart. `part` is a serialised Part with all fields set.
struct TaskSaved {
  TaskKey key;
  Bytes part;
};
// A compose job has sealed its snapshot, and waits for WriteSnapshot before writing it.
struct SnapshotSealed {
  TaskKey key;
  Bytes snapshot;  // 32
  Bytes sealed;
  Bytes composed;  // a serialised Composed
};
// The snapshot exists. `composed` has `was_there` set if the run already had one; then nothing was
// written.
struct TaskComposed {
  TaskKey key;
  Bytes composed;
};
// End of a probe, verify, inventory or restore. `result` is a serialised ProbeResult, VerifyResult,
// InventoryResult or Restored.
struct TaskDone {
  TaskKey key;
  Bytes result;
};
struct TaskFailed {
  TaskKey key;
  TaskError error;
};
// Answer to HoldParts: new locks are held and our dead ones are removed. With an error, a lock
// could not be taken, and the core retries.
struct PartsHeld {
  std::optional<TaskError> error;
};
// Answer to LoadReports, in ascending order.
struct ReportsLoaded {
  std::vector<ReportRecord> reports;
};

}  // namespace event

using Event =
    std::variant<event::Started, event::TimePassed, event::Connected, event::MessageReceived,
                 event::TaskPrepared, event::TaskCut, event::TaskProgress, event::TaskSaved,
                 event::SnapshotSealed, event::TaskComposed, event::TaskDone, event::TaskFailed,
                 event::PartsHeld, event::ReportsLoaded>;

namespace action {

// An AgentMessage for the controller. May be lost.
struct Send {
  Bytes message;
};

// A part that a task has saved.
struct PartReference {
  std::string node;
  Bytes tree_id;  // 32
  // Only for StartCompose:
  BackupScope scope = BackupScope::kWhole;
  std::uint64_t bytes_added = 0;
  std::uint64_t bytes_stored = 0;
};

// Locks, opens and prepares the source -> TaskPrepared. The session stays open for Cut and
// StartSave with the same key.
struct StartPrepare {
  TaskKey key;
  std::string run;
  std::string source;
  std::string repository;
  BackupScope scope = BackupScope::kWhole;
  std::vector<PartReference> others;  // parts of the source that the run already has
  std::uint32_t round = 0;
  std::string requester;
  std::string note;
};
// -> TaskCut, immediately.
struct Cut {
  TaskKey key;
};
// -> TaskProgress..., TaskSaved.
struct StartSave {
  TaskKey key;
};
// Under its own lock: looks for the run's snapshot of this source. If it is missing, checks that
// all packs of all parts are in index and storage, and composes the parts or takes `sealed`
// unchanged -> SnapshotSealed (also for `sealed`). Then waits for WriteSnapshot -> TaskComposed.
// Starts no write of the snapshot file after `write_until_boot_ms`, and waits at most 60 s for a
// write. Until then, retries a write of unknown outcome with the same bytes. Keeps its lock until
// none of its writes can land any more.
struct StartCompose {
  struct LackingPart {
    std::string node;  // empty: the shards of a sharded source that no node saved
    std::string reason;
  };
  TaskKey key;
  std::string run;
  std::string source;
  std::string repository;
  std::string host;
  std::vector<PartReference> parts;
  std::vector<LackingPart> lacking;
  bool cut_barrier_met = false;
  std::string requester;
  std::string note;
  std::optional<SealedRecord> sealed;
  std::int64_t write_until_boot_ms = 0;
};
struct WriteSnapshot {
  TaskKey key;
};
struct StartProbe {
  TaskKey key;
  std::vector<std::string> sources;  // empty: all
};
struct StartVerify {
  TaskKey key;
  std::string repository;
  bool read_data = false;
};
struct StartInventory {
  TaskKey key;
  std::string repository;
  std::string after;  // snapshot id in hexadecimal; empty: from the first
};
// Passes the plan unchanged to the restore helper, which verifies it again. If the policy lets the
// agent run it, the agent does. `resumed`: after a crash. The helper may have finished already, and
// then returns the same outcome.
struct StartRestore {
  TaskKey key;
  Bytes envelope;
  Bytes fresh;  // Envelope of the Fresh that the check used
  bool resumed = false;
};
// Stops the job of this key as soon as possible -> TaskFailed with code "cancelled", or the outcome
// that it already had.
struct StopTask {
  TaskKey key;
};

// After a start: takes a new repository lock for each of these parts, then removes our own dead
// locks in all configured repositories -> PartsHeld. Sent once before any other job, even without
// parts, and again after an error.
struct HoldParts {
  std::vector<UncomposedPartRecord> parts;
};
// Releases the repository lock that the part's writer or HoldParts took.
struct ReleasePart {
  TaskKey key;
  std::string repository;
};
// Loads at most `limit` kept reports, starting at `first` -> ReportsLoaded.
struct LoadReports {
  std::uint64_t first = 0;
  std::uint32_t limit = 0;
};
// From the next connection on, the controller must have one of these bus keys: `key`, or `former`
// unless that is empty.
struct UseBusKeys {
  Bytes key;
  Bytes former;
};
// A message for the log.
struct Note {
  std::string text;
  bool warning = false;
};

}  // namespace action

using Action = std::variant<action::Send, action::StartPrepare, action::Cut, action::StartSave,
                            action::StartCompose, action::WriteSnapshot, action::StartProbe,
                            action::StartVerify, action::StartInventory, action::StartRestore,
                            action::StopTask, action::HoldParts, action::ReleasePart,
                            action::LoadReports, action::UseBusKeys, action::Note>;

// Result of a step. First make all `changes` durable atomically, then perform `actions`.
struct Effects {
  std::vector<Change> changes;
  std::vector<Action> actions;
};

}  // namespace holdfast::agent
