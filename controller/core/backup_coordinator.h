// How the backup of one source proceeds over its agents: tasks that failed are tried again or taken
// over, one agent saves what no node has, and one agent composes the parts. What makes a run is in
// runs.h. Rules: docs/protocol.md#backup and
// #sharded-sources.
#pragma once

#include <cstddef>
#include <cstdint>

#include "controller/core/cluster.h"
#include "controller/core/plans.h"
#include "controller/core/run.h"
#include "controller/core/runs.h"
#include "controller/core/step_context.h"

namespace holdfast::controller {

class BackupCoordinator {
 public:
  BackupCoordinator(StepContext& step, Cluster& cluster, Plans& plans, Runs& runs)
      : step_(step), cluster_(cluster), plans_(plans), runs_(runs) {}

  // Takes the unit's next step, if there is one. REQUIRES: neither it nor the run has ended.
  void Advance(Run& run, std::size_t unit);

 private:
  // Each is true if the unit waits for what it does.
  bool AdvanceCompose(Run& run, std::size_t unit);
  bool AdvanceRetries(Run& run, std::size_t unit);
  bool Retry(Run& run, std::size_t unit, Task& task);
  bool StartRest(Run& run, std::size_t unit);

  void StartCompose(Run& run, std::size_t unit);
  // When another agent may compose the unit, as the first one can no longer write.
  std::int64_t FenceOf(const Unit& unit) const {
    return unit.fence_ms + step_.jumps_ms() - unit.fence_jumps_ms;
  }

  StepContext& step_;
  Cluster& cluster_;
  Plans& plans_;
  Runs& runs_;
};

}  // namespace holdfast::controller
