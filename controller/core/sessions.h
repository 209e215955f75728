// Sessions with agents: their Hellos, heartbeats and progress. Passes reports on. An agent that is
// silent for Cluster::LeaseMs() is lost: its tasks are lost until it returns, except those that it
// has saved. A closed connection only changes what operators see.
#pragma once

#include <set>
#include <string>

#include "controller/core/cluster.h"
#include "controller/core/events.h"
#include "controller/core/plans.h"
#include "controller/core/reports.h"
#include "controller/core/runs.h"
#include "controller/core/step_context.h"

namespace holdfast::v1 {
class Hello;
class Progress;
}  // namespace holdfast::v1

namespace holdfast::controller {

class Sessions {
 public:
  Sessions(StepContext& step, Cluster& cluster, Plans& plans, Runs& runs, Reports& reports)
      : step_(step), cluster_(cluster), plans_(plans), runs_(runs), reports_(reports) {}

  // Starts the leases of all agents. `version` is this program's version, for HelloAnswer.
  // REQUIRES: the first step has begun.
  void Resume(const std::string& version);
  void Handle(const event::MessageReceived& event);
  void Handle(const event::ConnectionClosed& event);
  // REQUIRES: one of kLease and kFlush.
  void HandleDeadline(const Timer& timer);

 private:
  void TakeHello(Agent& agent, const v1::Hello& hello);
  bool IsTwin(Agent& agent, const std::string& boot_id);
  bool MayChange(Agent& agent);
  void UpdateAgent(Agent& agent, const v1::Hello& hello);
  void AnswerHello(Agent& agent, const v1::Hello& hello);
  void TakeProgress(const Agent& agent, const v1::Progress& progress);
  void NoteMessage(Agent& agent);
  void CheckLease(Agent& agent);
  void Lose(Agent& agent);
  void Return(Agent& agent);
  void PutLastSeen();

  StepContext& step_;
  Cluster& cluster_;
  Plans& plans_;
  Runs& runs_;
  Reports& reports_;
  std::string version_;
  std::set<std::string> seen_;  // nodes whose last_seen_ms the catalog does not have
};

}  // namespace holdfast::controller
