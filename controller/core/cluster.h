// The cluster as the controller knows it: its record, its root documents, and every agent that has
// joined, with what it said about itself. Knows neither runs nor plans: others keep here what an
// agent has of theirs (`tasks`, `unanswered`).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "controller/core/agent_budget.h"
#include "controller/core/records.h"
#include "controller/core/status.h"
#include "controller/core/step_context.h"

namespace holdfast::v1 {
class ControllerMessage;
}

namespace holdfast::controller {

struct Agent {
  AgentRecord record;
  bool is_present = false;  // has sent Hello since this core was created
  bool is_away = false;     // its connection has closed, and no message came since
  bool is_lost = false;     // a lease passed without a message
  Bytes process_id;
  std::string boot_id;
  std::int64_t last_received_ms = 0;
  std::int64_t hello_jumps_ms = 0;                        // StepContext::jumps_ms() then
  std::set<Bytes> unanswered;                             // plan ids
  std::set<std::pair<std::string, std::uint32_t>> tasks;  // (run, number); not yet done
  std::vector<std::string> former_boots;                  // newest last
  std::uint32_t twin_signs = 0;
  std::int64_t twin_at_ms = -3'600'000;
  bool has_twin = false;              // two boots use its key
  bool is_missing_next_root = false;  // the document that it needs next is not here; logged
  std::optional<std::set<std::string>> capabilities;  // from its last Hello, if any
  std::uint64_t refused_reports = 0;                  // since the controller started
  std::string refused_reason;                         // of the last one
  Bytes refused_report;  // hash of the last refused envelope: a resend is not counted again
  AgentBudget budget;

  bool is_connected() const { return is_present && !is_lost; }
  // Whether the agent supports orders of this kind. True if it has not said Hello since the
  // controller started; if it does not support the order, it then refuses the plan.
  bool Supports(OrderKind kind) const;
};

// The error for an order that the agent does not support.
Error Unsupported(const Agent& agent, OrderKind kind);

class Cluster {
 public:
  // `step` must outlive it. REQUIRES: loaded.cluster.
  Cluster(StepContext& step, const Loaded& loaded);

  const ClusterRecord& record() const { return record_; }
  // The envelope of a version of the root document; null if it is not here.
  const Bytes* FindRoot(std::uint64_t version) const;
  // Puts a verified root document into force. REQUIRES: it is newer than record().root_version.
  void SetRoot(std::uint64_t version, std::uint64_t epoch, const Bytes& envelope);

  // By node, including revoked ones.
  std::map<std::string, Agent>& agents() { return agents_; }
  const std::map<std::string, Agent>& agents() const { return agents_; }
  Agent* Find(const std::string& node);
  Agent& At(const std::string& node) { return agents_.at(node); }
  // kNotFound, with the most similar name as a suggestion.
  Error UnknownNode(const std::string& node) const;
  // The repositories of all agents that are not revoked, ascending.
  std::vector<std::string> Repositories() const;
  // The connected agents that have this source and support orders of this kind.
  std::vector<Agent*> AbleAgents(const ConfiguredSource& source, OrderKind kind);
  std::optional<AgentStatus> Status(const std::string& node) const;

  // Sends it if the agent has a session.
  void Send(const Agent& agent, const v1::ControllerMessage& message);
  // How often agents send heartbeats: less often, the more there are.
  std::int64_t HeartbeatMs() const;
  // How long an agent may be silent before Sessions declares it lost: three heartbeats and 30 s.
  std::int64_t LeaseMs() const;

  // Its record goes to the catalog with PutChanged(), however often it changes in a step.
  void MarkChanged(const std::string& node) { changed_.insert(node); }
  void PutChanged();

 private:
  StepContext& step_;
  ClusterRecord record_;
  std::map<std::uint64_t, Bytes> roots_;  // by version
  std::map<std::string, Agent> agents_;
  std::set<std::string> changed_;
};

// The agent with the fewest tasks; the first by name among equals; null if `agents` is empty.
Agent* LeastBusy(const std::vector<Agent*>& agents);

}  // namespace holdfast::controller
