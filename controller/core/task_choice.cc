#include "controller/core/task_choice.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/base/format.h"
#include "common/base/nearest.h"
#include "common/base/pattern.h"
#include "controller/core/selector.h"

namespace holdfast::controller {
namespace {

// A selector, and whether anything matched it.
struct Wanted {
  std::string text;
  Selector selector;
  bool is_used = false;

  bool Takes(const std::string& source, const std::string& node) {
    const bool fits = MatchesPattern(selector.source, source) &&
                      (selector.node.empty() || MatchesPattern(selector.node, node));
    is_used = is_used || fits;
    return fits;
  }
};

Result<std::vector<Wanted>> ParseAll(const std::vector<std::string>& selectors) {
  std::vector<Wanted> all;
  for (const std::string& text : selectors) {
    HF_ASSIGN(Selector selector, ParseSelector(text));
    all.push_back({text, std::move(selector)});
  }
  if (all.empty()) all.push_back({"*", {"*/*", ""}});
  return all;
}

// What a selector may have meant: the sources of the agents, with "@node" if `has_node`.
std::vector<std::string> KnownSources(const std::map<std::string, Agent>& agents, bool has_node) {
  std::set<std::string> known;
  for (const auto& [node, agent] : agents) {
    if (agent.record.revoked) continue;
    for (const ConfiguredSource& source : agent.record.sources) {
      known.insert(has_node ? source.source + "@" + node : source.source);
    }
  }
  return {known.begin(), known.end()};
}

Result<void> CheckUsed(const std::vector<Wanted>& wanted,
                       const std::map<std::string, Agent>& agents) {
  for (const Wanted& one : wanted) {
    if (!one.is_used && one.selector.source == "*/*" && one.selector.node.empty()) {
      return Fail(ErrorCode::kNotFound, "no agent has reported a source yet",
                  "let a node join (`holdfast agent token NODE`) and configure sources in its "
                  "agent.yaml; see `holdfast agent list`");
    }
    if (!one.is_used) {
      const std::vector<std::string> known = KnownSources(agents, !one.selector.node.empty());
      return Fail(ErrorCode::kNotFound,
                  WithSuggestion(fmt::format("no source {}", Quote(one.text)), one.text, known),
                  "see `holdfast source list`");
    }
  }
  return {};
}

Result<std::vector<NewTask>> ChooseBackup(Cluster& cluster,
                                          const std::vector<std::string>& selectors) {
  HF_ASSIGN(std::vector<Wanted> wanted, ParseAll(selectors));
  struct Members {
    std::vector<std::pair<Agent*, const ConfiguredSource*>> all;
    std::set<std::string> preferred;  // nodes that a selector named
    bool is_wanted = false;
  };
  std::map<std::string, Members> shared;
  std::vector<NewTask> new_tasks;
  for (auto& [node, agent] : cluster.agents()) {
    if (agent.record.revoked) continue;
    for (const ConfiguredSource& source : agent.record.sources) {
      bool takes = false;
      bool is_named = false;
      for (Wanted& one : wanted) {
        if (!one.Takes(source.source, node)) continue;
        takes = true;
        is_named = is_named || !one.selector.node.empty();
      }
      if (source.topology == Topology::kLocal) {
        if (!takes) continue;
        new_tasks.push_back({.node = node,
                             .source = source.source,
                             .repository = source.repository,
                             .host = node,
                             .scope = BackupScope::kOnlyPart});
        continue;
      }
      Members& members = shared[source.source];
      members.all.emplace_back(&agent, &source);
      members.is_wanted = members.is_wanted || takes;
      if (is_named) members.preferred.insert(node);
    }
  }
  HF_TRY(CheckUsed(wanted, cluster.agents()));

  for (auto& [name, members] : shared) {
    if (!members.is_wanted) continue;
    std::vector<Agent*> able;
    std::vector<Agent*> connected;
    std::vector<Agent*> named;
    std::vector<Agent*> all;
    for (auto& [agent, source] : members.all) {
      const auto& first = members.all.front();
      if (source->repository != first.second->repository) {
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("{} uses repository {} on {} and {} on {}", Quote(name),
                                Quote(first.second->repository), Quote(first.first->record.node),
                                Quote(source->repository), Quote(agent->record.node)),
                    "give all its members the same repository");
      }
      if (source->topology != first.second->topology) {
        return Fail(
            ErrorCode::kInvalidArgument,
            fmt::format("{} is {} on {} and {} on {}", Quote(name),
                        TopologyName(first.second->topology), Quote(first.first->record.node),
                        TopologyName(source->topology), Quote(agent->record.node)),
            "install the same version of the agent on all its members");
      }
      auto health = agent->record.healthy.find(name);
      const bool is_healthy = health == agent->record.healthy.end() || health->second;
      all.push_back(agent);
      if (agent->is_connected()) connected.push_back(agent);
      if (agent->is_connected() && is_healthy && agent->Supports(OrderKind::kBackup))
        able.push_back(agent);
      if (agent->is_connected() && members.preferred.contains(agent->record.node))
        named.push_back(agent);
    }
    const Agent* chosen = LeastBusy(!named.empty()       ? named
                                    : !able.empty()      ? able
                                    : !connected.empty() ? connected
                                                         : all);
    for (auto& [agent, source] : members.all) {
      new_tasks.push_back({.node = agent->record.node,
                           .source = name,
                           .repository = source->repository,
                           .topology = source->topology,
                           .host = cluster.record().cluster,
                           .scope = ScopeOf({.data = agent == chosen,
                                             .sharded = source->topology == Topology::kSharded})});
    }
  }
  return new_tasks;
}

Result<std::vector<NewTask>> ChooseProbe(const Cluster& cluster,
                                         const std::vector<std::string>& selectors) {
  HF_ASSIGN(std::vector<Wanted> wanted, ParseAll(selectors));
  std::vector<NewTask> new_tasks;
  for (const auto& [node, agent] : cluster.agents()) {
    if (agent.record.revoked) continue;
    NewTask new_task{.kind = OrderKind::kProbe, .node = node};
    for (const ConfiguredSource& source : agent.record.sources) {
      for (Wanted& one : wanted) {
        if (!one.Takes(source.source, node)) continue;
        if (new_task.sources.empty() || new_task.sources.back() != source.source)
          new_task.sources.push_back(source.source);
      }
    }
    if (!new_task.sources.empty()) new_tasks.push_back(std::move(new_task));
  }
  HF_TRY(CheckUsed(wanted, cluster.agents()));
  return new_tasks;
}

Result<std::vector<NewTask>> ChooseRepository(Cluster& cluster, OrderKind kind,
                                              const std::string& repository) {
  std::vector<Agent*> connected;
  const Agent* outdated = nullptr;
  bool is_known = false;
  for (auto& [node, agent] : cluster.agents()) {
    if (agent.record.revoked || std::ranges::find(agent.record.repositories, repository) ==
                                    agent.record.repositories.end()) {
      continue;
    }
    is_known = true;
    if (!agent.is_connected()) continue;
    if (agent.Supports(kind)) {
      connected.push_back(&agent);
    } else {
      outdated = &agent;
    }
  }
  if (!is_known) {
    const std::vector<std::string> known = cluster.Repositories();
    return Fail(
        ErrorCode::kNotFound,
        WithSuggestion(fmt::format("no repository {}", Quote(repository)), repository, known),
        "see `holdfast agent list`");
  }
  if (connected.empty() && outdated != nullptr) return Fail(Unsupported(*outdated, kind));
  if (connected.empty()) {
    return Fail(ErrorCode::kUnavailable,
                fmt::format("no agent with the repository {} is connected", Quote(repository)),
                "see `holdfast agent list`");
  }
  return std::vector<NewTask>{
      {.kind = kind, .node = LeastBusy(connected)->record.node, .repository = repository}};
}

}  // namespace

Result<std::vector<NewTask>> ChooseTasks(Cluster& cluster, const RunRecord& run) {
  switch (run.kind) {
    case OrderKind::kBackup:
      return ChooseBackup(cluster, run.selectors);
    case OrderKind::kProbe:
      return ChooseProbe(cluster, run.selectors);
    default:
      return ChooseRepository(cluster, run.kind, run.repository);
  }
}

}  // namespace holdfast::controller
