// What a controller decides: runs from request to end, sessions with agents, drafts, joins. Pure:
// the same events give the same effects. No I/O, no clock, no thread, and no randomness except the
// given Random.
//
// Heartbeats and progress change only memory. Deadlines are in one ordered queue: nothing is
// scanned, however many agents there are. Not thread-safe. Rules: docs/protocol.md.
//
// This room decides. Start with events.h (input and output) and records.h (durable state). It must
// not do what it decides: controller/daemon does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "controller/core/events.h"
#include "controller/core/records.h"
#include "controller/core/trust.h"

namespace holdfast::controller {

// Bugs that only the simulation enables. Each one breaks one rule, to show that the simulation
// would detect it.
enum class PlantedBug : std::uint8_t {
  kNone,
  kNoFence,          // another composer is asked while the first may still write
  kTakeTwice,        // a duplicate report is applied again
  kSkipReports,      // reports after a gap are acknowledged
  kNoAudit,          // a lost agent's tasks change without an event
  kForgetInventory,  // an inventory ends after its first page
  kNoResend,         // a plan is sent only once
  kNewestRoot,       // an outdated agent gets the newest root document, not the next
  kLosePart,         // a part that the rest of a sharded source relies on is not composed
};

struct Options {
  std::int64_t heartbeat_min_ms = 30'000;
  std::uint32_t heartbeats_per_s = 300;  // of all agents together
  std::int64_t resend_first_ms = 30'000;
  std::int64_t resend_max_ms = 600'000;
  std::int64_t cut_resend_first_ms = 1'000;
  std::int64_t cut_window_ms = 2'000;              // from the first prepared task
  std::int64_t cut_wait_ms = 15'000;               // then a task cuts without an order
  std::int64_t backup_life_ms = 12 * 3'600'000LL;  // of a run, from its start
  std::int64_t probe_life_ms = 10 * 60'000LL;
  std::int64_t inventory_life_ms = 6 * 3'600'000LL;
  std::int64_t verify_life_ms = 22 * 3'600'000LL;
  std::int64_t draft_life_ms = 4 * 3'600'000LL;
  std::int64_t restore_life_ms = 23 * 3'600'000LL;  // from the draft
  std::int64_t token_life_ms = 15 * 60'000LL;
  std::int64_t compose_life_ms = 10 * 60'000LL;
  std::int64_t fence_ms = 120'000;  // after the expiry of a compose order
  std::uint32_t compose_attempts = 4;
  std::uint32_t rounds = 3;
  std::uint32_t rounds_if_queued = 30;  // of a busy source, with queue_if_busy
  std::int64_t retry_after_ms = 60'000;
  double starts_per_s = 20;  // saving tasks, per repository
  std::uint32_t starts_burst = 20;
  std::uint32_t runs_max = 200;
  std::uint32_t queued_max = 100;
  std::uint32_t drafts_max = 200;
  std::uint32_t tokens_max = 10'000;
  std::int64_t flush_ms = 10'000;  // how often last_seen is stored
  PlantedBug planted_bug = PlantedBug::kNone;
};

// A task's current state, with values that only progress has.
struct TaskStatus {
  TaskRecord record = {};
  TaskState state = TaskState::kPlanned;
  std::string phase = {};
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::uint64_t items_total = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_unchanged = 0;
  std::uint64_t bytes_per_s = 0;
  std::uint64_t seconds_left = 0;     // 0: unknown
  std::int64_t last_received_ms = 0;  // when its agent last sent a message, if it works on this
  std::int64_t cut_time_ms = 0;
  bool cut_alone = false;
};
struct RunStatus {
  RunRecord record = {};
  std::vector<TaskStatus> tasks = {};
};
struct AgentStatus {
  AgentRecord record = {};
  bool connected = false;
  bool conflict = false;  // two boots use its key
  std::string boot_id = {};
  std::uint32_t tasks = 0;  // that it works on
  std::uint32_t plans_unanswered = 0;
};

class Machine;

class ControllerCore {
 public:
  // `trust` and `random` must outlive the core. REQUIRES: loaded.cluster.
  ControllerCore(const Options& options, const Loaded& loaded, const Trust& trust, Random& random);
  ~ControllerCore();

  // REQUIRES: `now.mono_ms` is not below that of the previous step; the first event is Started.
  Effects Step(const Time& now, const Event& event);
  // When TimePassed is due, in milliseconds of `mono_ms`; Deadlines::kNever: not at all.
  std::int64_t NextWake() const;

  // Views after the last step. Closed runs are only in the catalog.
  std::optional<RunStatus> Status(const std::string& run) const;
  std::vector<std::string> OpenRuns() const;
  std::optional<AgentStatus> AgentOf(const std::string& node) const;
  std::vector<AgentStatus> Agents() const;

 private:
  std::unique_ptr<Machine> machine_;
};

}  // namespace holdfast::controller
