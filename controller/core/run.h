// An open run as the core has it in memory: its records, and what follows from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "controller/core/records.h"
#include "controller/core/status.h"

namespace holdfast::v1 {
class Report;
}

namespace holdfast::controller {

struct Task {
  TaskRecord record;
  TaskState live = TaskState::kPlanned;  // newer than the record's state if known from progress
  std::size_t unit = 0;
  bool is_ready = false;      // counted as ready for the cut
  bool is_whole = false;      // if composed: nothing is missing from the snapshot
  bool is_partial = false;    // if done: something failed
  std::int64_t retry_ms = 0;  // no retry before this
  TaskStatus progress;        // only values from progress
};

// One source of a run, which becomes one snapshot; or one repository, or one node's probe.
struct Unit {
  std::string source;
  std::string repository;
  Topology topology = Topology::kLocal;
  std::string host;
  std::vector<std::uint32_t> tasks;  // numbers, ascending, without compose tasks
  std::vector<std::uint32_t> composes;
  std::map<std::uint32_t, std::set<Bytes>> trees;  // by compose task: the trees it was given
  std::int64_t fence_ms = 0;                       // no other composer before this
  std::int64_t fence_jumps_ms = 0;  // StepContext::jumps_ms() at its composer's last Hello
  bool has_ended = false;
};

struct Run {
  RunRecord record;
  std::vector<Task> tasks;  // by number
  std::vector<Unit> units;
  std::map<std::string, std::size_t> unit_of;  // by UnitKey()
  std::uint32_t open_units = 0;
  std::uint32_t unready = 0;
  bool allows_backups = false;  // restore to a target: does not block backups of its source
  bool is_cut_armed = false;
  std::vector<Bytes> plans;
  std::set<Bytes> ends;     // unanswered EndOrders
  std::vector<Bytes> seen;  // inventory: ids of the pages so far
  std::string verdict;      // "timed_out" or "cancelled", if it ended before its units
};

// Parameters of a new task.
struct NewTask {
  OrderKind kind = OrderKind::kBackup;
  std::string node;
  std::string source;
  std::string repository;
  Topology topology = Topology::kLocal;
  std::string host;
  std::uint32_t round = 0;
  BackupScope scope = BackupScope::kWhole;  // only for backups
  std::vector<std::string> sources;         // probe
  std::string after;                        // inventory
};

// Adds the task to the unit with its key, which it creates if it is new.
Unit& AddToUnit(Run& run, Task& task);
// "kind/name@node" for a local source, "kind/name" for others, "@node" for a probe, else the name
// of the repository.
std::string UnitKey(const TaskRecord& task);

// The report that ended the task; empty before, and if the controller could not read it.
v1::Report ReportOf(const TaskRecord& task);
v1::Report ReportOf(const Task& task);

// Whether the report is of a valid snapshot in which nothing is missing.
bool IsWhole(const v1::Report& report);

// Whether the run waits for nothing more from this task. A lost restore is waited for: its agent
// resumes it.
bool IsSettled(const TaskRecord& task);

// The state that the run has by the outcomes of its tasks.
RunState StateOf(const Run& run);

}  // namespace holdfast::controller
