// Verifies the reports of agents and applies each once, in the order of their chain. A report that
// the agent's plans or its budget do not allow is refused and counted, and the chain continues.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "controller/core/cluster.h"
#include "controller/core/plans.h"
#include "controller/core/run.h"
#include "controller/core/runs.h"
#include "controller/core/step_context.h"

namespace holdfast::v1 {
class InventoryResult;
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
  // The agent's plan that a report is about, and its run.
  struct Subject {
    Plan& plan;
    Run& run;
  };

  // False: those after it cannot be taken either.
  bool TakeOne(Agent& agent, const Bytes& envelope);
  void TakeNext(Agent& agent, const Bytes& envelope, const OpenedReport& opened,
                const v1::ReportHead& head);
  std::optional<Subject> SubjectOf(const Agent& agent, const v1::ReportHead& head);
  // Counts the report. Returns why it must be refused if it is beyond what the agent's plans or its
  // budget allow.
  std::optional<std::string> Count(Agent& agent, const std::optional<Subject>& subject,
                                   const v1::ReportHead& head, bool is_answer, std::size_t bytes);
  // Counts the refusal, and stores its evidence once a day for each kind.
  void Refuse(Agent& agent, const Bytes& envelope, Misbehaviour kind, std::string_view reason);
  // Stores the evidence of the refusal that was counted last.
  void AuditRefusal(const Agent& agent, const Bytes& envelope);
  void Apply(Agent& agent, const std::optional<Subject>& subject, const v1::Report& report,
             const Bytes& payload);
  void ApplyUnreadable(const std::optional<Subject>& subject, const v1::ReportHead& head,
                       const Bytes& payload, std::string_view reason);
  void ApplyUnknown(Agent& agent, const v1::Report& report);
  void ApplyRefused(Run& run, Plan& plan, const v1::Report& report, const Bytes& payload);
  void ApplyOutcome(Run& run, Task& task, const v1::Report& report, const Bytes& payload);
  void ApplyDone(Run& run, Task& task, const v1::Report& report);
  // Why a page of an inventory is not taken; nullopt if it is.
  std::optional<TaskError> DefectOf(const Run& run, const v1::InventoryResult& page) const;
  void TakeInventory(Run& run, const Task& task, const v1::Report& report);
  void TakeProbe(Agent& agent, const v1::Report& report);

  StepContext& step_;
  Cluster& cluster_;
  Plans& plans_;
  Runs& runs_;
};

}  // namespace holdfast::controller
