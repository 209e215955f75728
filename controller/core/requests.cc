// From an operator's request to a run with its tasks.
#include <algorithm>

#include "common/base/format.h"
#include "common/base/nearest.h"
#include "common/base/pattern.h"
#include "controller/core/machine.h"
#include "controller/core/selector.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::controller {

void Machine::Handle(const event::RunRequested& event) {
  Result<std::vector<std::string>> runs = Request(event);
  if (!runs) {
    Reply(event.request, Fail(std::move(runs).error()));
    return;
  }
  Reply(event.request, Answer{.runs = *std::move(runs)});
}

Result<std::vector<std::string>> Machine::Request(const event::RunRequested& event) {
  HF_CHECK(event.kind == OrderKind::kBackup || event.kind == OrderKind::kProbe ||
           event.kind == OrderKind::kVerify || event.kind == OrderKind::kInventory);
  std::size_t running = 0;
  std::size_t queued = 0;
  for (const auto& [name, run] : runs_) {
    running += run.record.state == RunState::kRunning ? 1 : 0;
    queued += run.record.state == RunState::kQueued ? 1 : 0;
  }
  std::vector<std::string> repositories = {event.repository};
  const bool over_repository =
      event.kind == OrderKind::kVerify || event.kind == OrderKind::kInventory;
  if (over_repository && event.repository.empty()) {
    repositories = Repositories();
    if (repositories.empty()) {
      return Fail(ErrorCode::kNotFound, "no agent has a repository", "see `holdfast agent list`");
    }
  }
  if (running + repositories.size() > options_.runs_max) {
    return Fail(ErrorCode::kBusy, "already running: " + FormatCount(running, "run"),
                "wait for some to end, or cancel them");
  }

  std::vector<std::string> made;
  for (const std::string& repository : repositories) {
    RunRecord wanted{.kind = event.kind, .selectors = event.selectors, .repository = repository};
    HF_ASSIGN(const std::vector<NewTask> new_tasks, NewTasksFor(wanted));
    const std::string busy = BusyWith(new_tasks, "");
    if (event.kind == OrderKind::kBackup && !busy.empty()) {
      if (!event.queue_if_busy) {
        return Fail(ErrorCode::kBusy, busy, "wait until it ends, or use `--if-busy queue`");
      }
      if (queued >= options_.queued_max) {
        return Fail(ErrorCode::kBusy, "already waiting: " + FormatCount(queued, "run"),
                    "wait for some to end, or cancel them");
      }
    }
    Run& run = NewRun(event, repository);
    made.push_back(run.record.run);
    if (event.kind == OrderKind::kBackup && !busy.empty()) {
      run.record.state = RunState::kQueued;
      run.record.message = busy;
    } else {
      Begin(run, new_tasks);
    }
  }
  return made;
}

std::vector<std::string> Machine::Repositories() const {
  std::set<std::string> all;
  for (const auto& [node, agent] : agents_) {
    if (agent.record.revoked) continue;
    all.insert(agent.record.repositories.begin(), agent.record.repositories.end());
  }
  return {all.begin(), all.end()};
}

Run& Machine::NewRun(const event::RunRequested& event, const std::string& repository) {
  const std::string name = NewUlid();
  Run& run = runs_[name];
  run.record.run = name;
  run.record.kind = event.kind;
  run.record.requester = event.actor;
  run.record.reason = event.reason;
  run.record.selectors = event.selectors;
  run.record.queue_if_busy = event.queue_if_busy;
  run.record.splay_ms = event.splay_ms;
  run.record.created_ms = now_.wall_ms;
  run.record.repository = repository;
  run.record.read_data = event.read_data;
  dirty_runs_.insert(name);
  std::string selectors;
  for (const std::string& selector : event.selectors)
    selectors += (selectors.empty() ? "" : " ") + selector;
  Audit("run.requested", event.actor, name, name,
        {{"kind", std::string(OrderKindName(event.kind))},
         {"selectors", selectors},
         {"repository", repository},
         {"reason", event.reason}});
  return run;
}

std::int64_t Machine::LifeOf(OrderKind kind) const {
  switch (kind) {
    case OrderKind::kProbe:
      return options_.probe_life_ms;
    case OrderKind::kVerify:
      return options_.verify_life_ms;
    case OrderKind::kInventory:
      return options_.inventory_life_ms;
    case OrderKind::kRestore:
    case OrderKind::kRestoreInPlace:
      return options_.restore_life_ms;
    default:
      return options_.backup_life_ms;
  }
}

Result<std::vector<NewTask>> Machine::NewTasksFor(const RunRecord& record) {
  switch (record.kind) {
    case OrderKind::kBackup:
      return Choose(record.selectors);
    case OrderKind::kProbe:
      return ChooseProbe(record.selectors);
    default:
      return ChooseRepository(record.kind, record.repository);
  }
}

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

}  // namespace

// The least busy agent; the first by name among equals; null if there are no agents.
Agent* Machine::LeastBusy(const std::vector<Agent*>& agents) {
  auto least = std::ranges::min_element(agents, {}, [](const Agent* agent) {
    return std::pair(agent->tasks.size(), agent->record.node);
  });
  return least == agents.end() ? nullptr : *least;
}

Result<std::vector<NewTask>> Machine::Choose(const std::vector<std::string>& selectors) {
  HF_ASSIGN(std::vector<Wanted> wanted, ParseAll(selectors));
  struct Members {
    std::vector<std::pair<Agent*, const ConfiguredSource*>> all;
    std::set<std::string> preferred;  // nodes that a selector named
    bool is_wanted = false;
  };
  std::map<std::string, Members> shared;
  std::vector<NewTask> new_tasks;
  for (auto& [node, agent] : agents_) {
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
                             .data = true,
                             .compose = true});
        continue;
      }
      Members& members = shared[source.source];
      members.all.emplace_back(&agent, &source);
      members.is_wanted = members.is_wanted || takes;
      if (is_named) members.preferred.insert(node);
    }
  }
  HF_TRY(CheckUsed(wanted, agents_));

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
      if (agent->is_connected() && is_healthy) able.push_back(agent);
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
                           .host = cluster_.cluster,
                           .data = agent == chosen});
    }
  }
  return new_tasks;
}

Result<std::vector<NewTask>> Machine::ChooseProbe(const std::vector<std::string>& selectors) {
  HF_ASSIGN(std::vector<Wanted> wanted, ParseAll(selectors));
  std::vector<NewTask> new_tasks;
  for (const auto& [node, agent] : agents_) {
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
  HF_TRY(CheckUsed(wanted, agents_));
  return new_tasks;
}

Result<std::vector<NewTask>> Machine::ChooseRepository(OrderKind kind,
                                                       const std::string& repository) {
  std::vector<Agent*> connected;
  bool is_known = false;
  for (auto& [node, agent] : agents_) {
    if (agent.record.revoked || std::ranges::find(agent.record.repositories, repository) ==
                                    agent.record.repositories.end()) {
      continue;
    }
    is_known = true;
    if (agent.is_connected()) connected.push_back(&agent);
  }
  if (!is_known) {
    const std::vector<std::string> known = Repositories();
    return Fail(
        ErrorCode::kNotFound,
        WithSuggestion(fmt::format("no repository {}", Quote(repository)), repository, known),
        "see `holdfast agent list`");
  }
  if (connected.empty()) {
    return Fail(ErrorCode::kUnavailable,
                fmt::format("no agent with the repository {} is connected", Quote(repository)),
                "see `holdfast agent list`");
  }
  return std::vector<NewTask>{
      {.kind = kind, .node = LeastBusy(connected)->record.node, .repository = repository}};
}

// Why these sources cannot be saved now; empty if they can.
std::string Machine::BusyWith(const std::vector<NewTask>& new_tasks, const std::string& but) const {
  for (const auto& [name, run] : runs_) {
    if (name == but || run.record.state != RunState::kRunning || run.allows_backups) continue;
    if (run.record.kind != OrderKind::kBackup && run.record.kind != OrderKind::kRestoreInPlace)
      continue;
    for (const NewTask& new_task : new_tasks) {
      const std::string local = new_task.source + "@" + new_task.node;
      auto unit = run.unit_of.find(new_task.topology == Topology::kLocal ? local : new_task.source);
      // A restore in place concerns one node, whatever the source's topology.
      if (unit == run.unit_of.end() && run.record.kind == OrderKind::kRestoreInPlace) {
        unit = run.unit_of.find(local);
      }
      if (unit != run.unit_of.end() && !run.units[unit->second].ended) {
        return fmt::format("{} is busy with run {}", Quote(new_task.source), name);
      }
    }
  }
  return "";
}

void Machine::Begin(Run& run, const std::vector<NewTask>& new_tasks) {
  run.record.state = RunState::kRunning;
  run.record.message.clear();
  run.record.started_ms = now_.wall_ms;
  run.record.deadline_ms = now_.wall_ms + LifeOf(run.record.kind);
  deadlines_.Set({TimerKind::kRun, run.record.run}, now_.mono_ms + LifeOf(run.record.kind));
  dirty_runs_.insert(run.record.run);
  std::map<std::string, std::vector<std::uint32_t>> of_node;
  for (const NewTask& new_task : new_tasks) {
    const std::uint32_t number = AddTask(run, new_task);
    if (new_task.kind == OrderKind::kBackup) {
      of_node[new_task.node].push_back(number);
    } else {
      PlanSingle(run, number, new_task);
    }
  }
  for (const auto& [node, numbers] : of_node) PlanBackup(run, node, numbers, 0);
  for (std::size_t unit = 0; unit < run.units.size(); ++unit) Touch(run, unit);
}

// First come, first served: a run that must wait keeps its sources from later runs.
void Machine::BeginQueued() {
  std::vector<NewTask> ahead;
  for (auto& [name, run] : runs_) {
    if (run.record.state != RunState::kQueued) continue;
    Result<std::vector<NewTask>> new_tasks = NewTasksFor(run.record);
    if (!new_tasks) {
      run.record.message = new_tasks.error().message();
      run.record.hint = new_tasks.error().hint();
      EndRun(run);
      continue;
    }
    const bool must_wait = std::ranges::any_of(*new_tasks, [&](const NewTask& new_task) {
      return std::ranges::any_of(ahead, [&](const NewTask& other) {
        return new_task.source == other.source &&
               (new_task.topology != Topology::kLocal || new_task.node == other.node);
      });
    });
    ahead.insert(ahead.end(), new_tasks->begin(), new_tasks->end());
    if (must_wait || !BusyWith(*new_tasks, name).empty()) continue;
    Audit("run.begun", "controller", name, name);
    Begin(run, *new_tasks);
  }
}

void Machine::Handle(const event::CancelRequested& event) {
  Run* run = FindRun(event.run);
  if (run == nullptr || IsFinal(run->record.state)) {
    Reply(event.request,
          Fail(ErrorCode::kNotFound, fmt::format("no run {} is running", Quote(event.run)),
               "see `holdfast run list`"));
    return;
  }
  run->record.cancelled = true;
  run->verdict = "cancelled";
  dirty_runs_.insert(event.run);
  Audit("run.cancelled", event.actor, event.run, event.run);
  EndRun(*run);
  Reply(event.request, Answer{.runs = {event.run}});
}

}  // namespace holdfast::controller
