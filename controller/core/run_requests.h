// What operators request of runs: to start one now or when its sources are free, or to cancel one.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "controller/core/cluster.h"
#include "controller/core/events.h"
#include "controller/core/run.h"
#include "controller/core/runs.h"
#include "controller/core/step_context.h"

namespace holdfast::controller {

class RunRequests {
 public:
  RunRequests(StepContext& step, Cluster& cluster, Runs& runs)
      : step_(step), cluster_(cluster), runs_(runs) {}

  void Handle(const event::RunRequested& event);
  void Handle(const event::CancelRequested& event);
  // Begins the queued runs whose sources are free. First come, first served: a run that must wait
  // keeps its sources from later runs.
  void BeginQueued();

 private:
  Result<Answer> Request(const event::RunRequested& event);
  Run& AddRun(const event::RunRequested& event, const std::string& repository);
  void Begin(Run& run, const std::vector<NewTask>& new_tasks);

  StepContext& step_;
  Cluster& cluster_;
  Runs& runs_;
};

}  // namespace holdfast::controller
