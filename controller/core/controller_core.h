// What a controller decides: runs from request to end, sessions with agents, drafts, joins. Pure:
// the same events give the same effects. No I/O, clock, thread, or randomness but the given Random.
// No event scans all agents: deadlines are in one ordered queue. Rules: docs/protocol.md.
//
// This room decides. Start with events.h (input and output) and records.h (durable state). It must
// not do what it decides: controller/daemon does. Each class owns its state and knows only those
// further down:
//   ControllerCore    routes events and deadlines, then advances units of runs that were touched
//                     until nothing changes. Not thread-safe
//   Drafts            restores that wait for signatures
//   Sessions, Reports          what agents say, and what they have done
//   RunRequests, BackupCoordinator   how runs begin, and how backups proceed
//   Membership        tokens, joins, revocations, root documents
//   Runs, RunTable, Plans      tasks and their states, open runs, unanswered plans
//   Cluster, StepContext       agents; time, deadlines and effects of one step
// ControllerCore owns all of these, so references between them stay valid.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "controller/core/events.h"
#include "controller/core/options.h"
#include "controller/core/records.h"
#include "controller/core/status.h"
#include "controller/core/trust.h"

namespace holdfast::controller {

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
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace holdfast::controller
