// What an agent's core is told, and what it asks for in answer.
//
// The performer (the daemon, or a simulation) hands in one Event at a time with the time it
// happened, applies the Changes of the answer durably, and only then performs its Actions, in
// order. Jobs run beside it; each is named by its TaskKey and ends with exactly one of TaskSaved
// (of a backup), TaskComposed, TaskDone and TaskFailed, also when it was stopped. Nothing here owns
// anything or touches the system.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/core/records.h"
#include "common/base/bytes.h"

namespace holdfast::agent {

// `boot_ms` is CLOCK_BOOTTIME: it never jumps, and it goes on while the machine sleeps.
struct Time {
  std::int64_t wall_ms = 0;  // since 1970
  std::int64_t boot_ms = 0;
};

struct TaskKey {
  Bytes plan_id = {};
  std::uint32_t task = 0;
  bool operator==(const TaskKey&) const = default;
  std::strong_ordering operator<=>(const TaskKey& other) const {
    const auto order = AsText(plan_id) <=> AsText(other.plan_id);
    return order == 0 ? task <=> other.task : order;
  }
};

// As Failure in proto/holdfast/v1/plan.proto.
struct TaskError {
  std::string code = {};
  std::string message = {};
  std::string hint = {};
  bool retryable = false;
  // Whether anything had an effect. Of a compose job: a write of the snapshot was begun, so that it
  // may be there although an error came back.
  bool began = false;
  bool rolled_back = false;
};

namespace event {

// The first one. What was left by a crash goes on from here.
struct Started {};
// NextWake() has come.
struct TimePassed {};
// The bus has a connection that it did not have before. A session begins with our Hello.
struct Connected {};
// A ControllerMessage, as it came.
struct MessageReceived {
  Bytes message = {};
};

struct TaskPrepared {
  TaskKey key = {};
};
struct TaskCut {
  TaskKey key = {};
  std::int64_t cut_time_ms = 0;
};
struct TaskProgress {
  TaskKey key = {};
  std::string phase = {};
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::uint64_t items_total = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_unchanged = 0;
};
// Packs and index are durable, nothing is visible. The job is over, but its repository lock stays
// held until ReleasePart. `part` is a serialised Part, all of its fields set.
struct TaskSaved {
  TaskKey key = {};
  Bytes part = {};
};
// A compose job has made its snapshot and waits for WriteSnapshot before it writes it.
struct SnapshotSealed {
  TaskKey key = {};
  Bytes snapshot = {};  // 32
  Bytes sealed = {};
  Bytes composed = {};  // a serialised Composed
};
// The snapshot is there. `composed` with `was_there` when the run had one already: then nothing was
// written.
struct TaskComposed {
  TaskKey key = {};
  Bytes composed = {};
};
// Of probe, verify, inventory and restore: a serialised ProbeResult, VerifyResult, InventoryResult
// or Restored.
struct TaskDone {
  TaskKey key = {};
  Bytes result = {};
};
struct TaskFailed {
  TaskKey key = {};
  TaskError error = {};
};
// Answer to HoldParts: the new locks are held, and dead ones of ours are gone. An error when a lock
// could not be had; it is asked for again.
struct PartsHeld {
  std::optional<TaskError> error = {};
};
// Answer to LoadReports, ascending.
struct ReportsLoaded {
  std::vector<ReportRecord> reports = {};
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
  Bytes message = {};
};

// Opens the source under its lock and prepares it -> TaskPrepared. The session stays open for Cut
// and StartSave of the same key.
struct StartPrepare {
  // A part that the run has of the source.
  struct OtherPart {
    std::string node = {};
    Bytes tree_id = {};  // 32
  };
  TaskKey key = {};
  std::string run = {};
  std::string source = {};
  std::string repository = {};
  bool data = false;
  bool sharded = false;
  bool rest = false;  // of a sharded source: what `others` lack
  std::vector<OtherPart> others = {};
  std::uint32_t round = 0;
  std::string requester = {};
  std::string note = {};
};
// -> TaskCut, at once.
struct Cut {
  TaskKey key = {};
};
// -> TaskProgress..., TaskSaved.
struct StartSave {
  TaskKey key = {};
};
// Looks for the run's snapshot of this source first; else makes one of the parts, or takes `sealed`
// as it is, under a lock of its own and after each pack of each part was seen in index and storage
// -> SnapshotSealed (also for `sealed`), then waits for WriteSnapshot -> TaskComposed.
// Begins no write of the snapshot file after `write_until_boot_ms`, and waits for none longer than
// 60 s; a write whose outcome is not known is tried again with the same bytes until then.
// The job's lock is kept until none of its writes can land any more.
struct StartCompose {
  struct LackingPart {
    std::string node = {};
    std::string reason = {};
    bool rest = false;  // of a sharded source what no node has saved by itself; it has no node
  };
  TaskKey key = {};
  std::string run = {};
  std::string source = {};
  std::string repository = {};
  std::string host = {};
  std::vector<Bytes> parts = {};  // each a serialised Part
  std::vector<LackingPart> lacking = {};
  bool sharded = false;
  bool cut_barrier_met = false;
  std::string requester = {};
  std::string note = {};
  std::optional<SealedRecord> sealed = {};
  std::int64_t write_until_boot_ms = 0;
};
struct WriteSnapshot {
  TaskKey key = {};
};
struct StartProbe {
  TaskKey key = {};
  std::vector<std::string> sources = {};  // none: all
};
struct StartVerify {
  TaskKey key = {};
  std::string repository = {};
  bool read_data = false;
};
struct StartInventory {
  TaskKey key = {};
  std::string repository = {};
  std::string after = {};  // snapshot id in hexadecimal; empty: from the first
};
// The plan goes as it came to the restore helper, which verifies all of it again; or what the
// policy leaves to the agent is done by the agent. `resumed` after a crash: the helper may have
// done its work already, and then says so again.
struct StartRestore {
  TaskKey key = {};
  Bytes envelope = {};
  Bytes fresh = {};  // Envelope of the Fresh that stands for it
  bool resumed = false;
};
// Ends the job of this key as soon as can be -> TaskFailed with code "cancelled", or what it had
// come to.
struct StopTask {
  TaskKey key = {};
};

// After a start: a new repository lock for each of these parts, then removes our own dead locks, in
// all configured repositories -> PartsHeld. Comes once, also without parts, before any other job.
struct HoldParts {
  std::vector<PartRecord> parts = {};
};
// The repository lock that the part's writer or HoldParts took is given back.
struct ReleasePart {
  TaskKey key = {};
  std::string repository = {};
};
// Up to `limit` kept reports from `first` on -> ReportsLoaded.
struct LoadReports {
  std::uint64_t first = 0;
  std::uint32_t limit = 0;
};
// For the log.
struct Note {
  std::string text = {};
  bool warning = false;
};

}  // namespace action

using Action = std::variant<action::Send, action::StartPrepare, action::Cut, action::StartSave,
                            action::StartCompose, action::WriteSnapshot, action::StartProbe,
                            action::StartVerify, action::StartInventory, action::StartRestore,
                            action::StopTask, action::HoldParts, action::ReleasePart,
                            action::LoadReports, action::Note>;

// What a step comes to: `changes` first, durably and all at once, then `actions`.
struct Effects {
  std::vector<Change> changes = {};
  std::vector<Action> actions = {};
};

}  // namespace holdfast::agent
