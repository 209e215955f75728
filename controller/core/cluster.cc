#include "controller/core/cluster.h"

#include <algorithm>
#include <iterator>

#include "common/base/format.h"
#include "common/base/nearest.h"
#include "proto/holdfast/v1/agent.pb.h"

namespace holdfast::controller {

bool Agent::Supports(OrderKind kind) const {
  if (!capabilities) return true;
  const auto has = [&](OrderKind one) {
    return capabilities->contains(std::string(OrderKindName(one)));
  };
  // A backup run also sends cut and end orders.
  const bool is_backup = kind == OrderKind::kBackup;
  return has(kind) && (!is_backup || (has(OrderKind::kCut) && has(OrderKind::kEnd)));
}

Error Unsupported(const Agent& agent, OrderKind kind) {
  return Error(ErrorCode::kUnsupported,
               fmt::format("the agent on {}, version {}, does not support the order {}",
                           Quote(agent.record.node), Quote(agent.record.version),
                           Quote(OrderKindName(kind))))
      .WithHint(fmt::format("upgrade holdfast-agent on {}", agent.record.node));
}

Cluster::Cluster(StepContext& step, const Loaded& loaded) : step_(step) {
  HF_CHECK(loaded.cluster.has_value());
  record_ = *loaded.cluster;
  for (const RootRecord& root : loaded.roots) roots_[root.version] = root.envelope;
  for (const AgentRecord& agent : loaded.agents) agents_[agent.node].record = agent;
}

const Bytes* Cluster::FindRoot(std::uint64_t version) const {
  const auto found = roots_.find(version);
  return found == roots_.end() ? nullptr : &found->second;
}

void Cluster::SetRoot(std::uint64_t version, std::uint64_t epoch, const Bytes& envelope) {
  HF_CHECK(version > record_.root_version);
  record_.root_version = version;
  record_.epoch = std::max(record_.epoch, epoch);
  record_.root = envelope;
  roots_[version] = envelope;
  step_.Put(RootRecord{version, envelope});
  step_.Put(record_);
}

Agent* Cluster::Find(const std::string& node) {
  const auto found = agents_.find(node);
  return found == agents_.end() ? nullptr : &found->second;
}

Error Cluster::UnknownNode(const std::string& node) const {
  std::vector<std::string> known;
  for (const auto& [name, agent] : agents_) {
    if (!agent.record.revoked) known.push_back(name);
  }
  return Error(ErrorCode::kNotFound,
               WithSuggestion(fmt::format("no node {}", Quote(node)), node, known))
      .WithHint("see `holdfast agent list`");
}

std::vector<std::string> Cluster::Repositories() const {
  std::set<std::string> all;
  for (const auto& [node, agent] : agents_) {
    if (agent.record.revoked) continue;
    all.insert(agent.record.repositories.begin(), agent.record.repositories.end());
  }
  return {all.begin(), all.end()};
}

std::vector<Agent*> Cluster::AbleAgents(const ConfiguredSource& source, OrderKind kind) {
  std::vector<Agent*> able;
  for (auto& [node, agent] : agents_) {
    if (agent.record.revoked || !agent.is_connected() || !agent.Supports(kind)) continue;
    const std::vector<ConfiguredSource>& sources = agent.record.sources;
    if (std::ranges::find(sources, source) != sources.end()) able.push_back(&agent);
  }
  return able;
}

std::optional<AgentStatus> Cluster::Status(const std::string& node) const {
  const auto found = agents_.find(node);
  if (found == agents_.end()) return std::nullopt;
  const Agent& agent = found->second;
  std::vector<OrderKind> unsupported;
  std::ranges::copy_if(kOrderKinds, std::back_inserter(unsupported),
                       [&](OrderKind kind) { return !agent.Supports(kind); });
  return AgentStatus{.record = agent.record,
                     .connected = agent.is_connected() && !agent.is_away,
                     .conflict = agent.has_twin,
                     .unsupported = std::move(unsupported),
                     .refused_reports = agent.refused_reports,
                     .refused_reason = agent.refused_reason,
                     .boot_id = agent.boot_id,
                     .tasks = static_cast<std::uint32_t>(agent.tasks.size())};
}

void Cluster::Send(const Agent& agent, const v1::ControllerMessage& message) {
  if (!agent.is_present || agent.record.revoked) return;
  step_.Perform(action::Send{agent.record.node, ToBytes(message.SerializeAsString())});
}

std::int64_t Cluster::HeartbeatMs() const {
  return std::max<std::int64_t>(
      step_.options().heartbeat_min_ms,
      static_cast<std::int64_t>(agents_.size()) * 1000 / step_.options().heartbeats_per_s);
}

std::int64_t Cluster::LeaseMs() const { return 3 * HeartbeatMs() + 30'000; }

void Cluster::PutChanged() {
  for (const std::string& node : changed_) step_.Put(agents_.at(node).record);
  changed_.clear();
}

Agent* LeastBusy(const std::vector<Agent*>& agents) {
  const auto least = std::ranges::min_element(agents, {}, [](const Agent* agent) {
    return std::pair(agent->tasks.size(), agent->record.node);
  });
  return least == agents.end() ? nullptr : *least;
}

}  // namespace holdfast::controller
