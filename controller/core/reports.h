// Reports of agents: verified, in the order of their chain, each applied once.
#pragma once

#include <string_view>

#include "common/base/bytes.h"
#include "controller/core/cluster.h"
#include "controller/core/plans.h"
#include "controller/core/run.h"
#include "controller/core/runs.h"
#include "controller/core/step_context.h"

namespace holdfast::v1 {
class Report;
class ReportHead;
class Reports;
}  // namespace holdfast::v1

namespace holdfast::controller {

class Reports {
 public:
  Reports(StepContext& step, Cluster& cluster, Plans& plans, Runs& runs)
      : step_(step), cluster_(cluster), plans_(plans), runs_(runs) {}

  // Applies them up to the first that cannot be, and tells the agent how far it got.
  void Take(Agent& agent, const v1::Reports& reports);

 private:
  // False: those after it cannot be taken either.
  bool TakeOne(Agent& agent, const Bytes& envelope);
  void Refuse(Agent& agent, const Bytes& envelope, std::string_view reason);
  void Apply(Agent& agent, const v1::Report& report, const Bytes& payload);
  void ApplyUnreadable(const v1::ReportHead& head, std::string_view reason);
  void ApplyUnknown(Agent& agent, const v1::Report& report);
  void ApplyRefused(Run& run, Plan& plan, const v1::Report& report, const Bytes& payload);
  void ApplyOutcome(Run& run, Task& task, const v1::Report& report, const Bytes& payload);
  void TakeInventory(Run& run, const Task& task, const v1::Report& report);
  void TakeProbe(Agent& agent, const v1::Report& report);

  StepContext& step_;
  Cluster& cluster_;
  Plans& plans_;
  Runs& runs_;
};

}  // namespace holdfast::controller
