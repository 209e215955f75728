// Performs the agents' actions: jobs that take time, fail, and are interrupted.
#include "common/base/format.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"
#include "tests/sim/world.h"

namespace holdfast::sim {
namespace {

constexpr std::size_t kInventoryPage = 2;

Bytes Serialised(const google::protobuf::MessageLite& message) {
  return ToBytes(message.SerializeAsString());
}

bool AreSharded(const std::vector<agent::action::PartReference>& parts) {
  return !parts.empty() &&
         std::ranges::all_of(parts, IsSharded, &agent::action::PartReference::scope);
}

}  // namespace

void World::PerformAgent(Agent& agent, const agent::Action& action) {
  std::visit([&](const auto& one) { Perform(agent, one); }, action);
}

// Calls `what` for a job later, unless the process or the job has ended by then.
void World::Later(Agent& agent, const agent::TaskKey& key, std::int64_t ms,
                  std::function<void(Job&)> what) {
  In(ms, [&agent, key, life = agent.life, step = ++agent.jobs[key].step, what = std::move(what)] {
    if (life != agent.life) return;
    auto job = agent.jobs.find(key);
    if (job != agent.jobs.end() && job->second.step == step) what(job->second);
  });
}

void World::EndJob(Agent& agent, const agent::TaskKey& key, agent::Event event) {
  auto job = agent.jobs.find(key);
  if (job != agent.jobs.end()) {
    if (job->second.lock != 0) repository_.locks.erase(job->second.lock);
    agent.jobs.erase(job);
  }
  StepAgent(agent, event);
}

void World::FailJob(Agent& agent, const agent::TaskKey& key, const std::string& code,
                    bool retryable) {
  const bool began = agent.jobs.contains(key) && agent.jobs[key].is_put;
  // A part that was not journaled needs no lock.
  if (auto lock = agent.part_locks.find(key);
      lock != agent.part_locks.end() && !agent.journal.parts.contains(key)) {
    repository_.locks.erase(lock->second);
    agent.part_locks.erase(lock);
  }
  EndJob(agent, key,
         agent::event::TaskFailed{
             key, {.code = code, .message = code, .retryable = retryable, .began = began}});
}

std::int64_t World::StorageMs() {
  return now_ms_ < slow_until_ms_ ? Between(1'000, 55'000) : Between(5, 2'000);
}

bool World::StorageFails() { return OneIn(job_fault_); }

// No plan runs twice, neither in one life nor after its outcome is recorded.
void World::CheckStart(Agent& agent, const agent::TaskKey& key) {
  if (!agent.prepared.emplace(agent.life, key).second) {
    Violate(fmt::format("{} starts a task twice in one life", agent.node));
  }
  if (agent.reported.contains(key)) {
    Violate(fmt::format("{} starts a task again whose outcome is reported", agent.node));
  }
  auto plan = agent.journal.plans.find(key.plan_id);
  if (plan == agent.journal.plans.end()) {
    Violate(fmt::format("{} starts a task of a plan that is not in its journal", agent.node));
    return;
  }
  if (plan->second.state != agent::PlanState::kAccepted) {
    Violate(fmt::format("{} starts a task of a plan that it has refused or ended", agent.node));
  }
}

void World::Perform(Agent& agent, const agent::action::Send& action) {
  ToController(agent, action.message);
}

// Connections have no keys here.
void World::Perform(Agent&, const agent::action::UseBusKeys&) {}

void World::Perform(Agent& agent, const agent::action::Note& action) {
  Say(agent.node + ": " + action.text);
}

void World::Perform(Agent& agent, const agent::action::StartPrepare& action) {
  CheckStart(agent, action.key);
  Job& job = agent.jobs[action.key];
  job.key = action.key;
  job.run = action.run;
  job.source = action.source;
  job.scope = action.scope;
  for (const auto& other : action.others) job.others.push_back(other.tree_id);
  if (IsSharded(job.scope) != (action.source == "shop/main"))
    Violate(fmt::format("{} is asked for the wrong share of {}", agent.node, action.source));
  if (IsRest(job.scope) && action.others.empty()) Violate("a rest of nothing is asked for");
  Later(agent, action.key, OneIn(8) ? Between(1'000, 4'000) : Between(5, 300),
        [this, &agent](Job& one) {
          const agent::TaskKey key = one.key;
          if (StorageFails()) {
            FailJob(agent, key, "unavailable", !OneIn(4));
          } else {
            StepAgent(agent, agent::event::TaskPrepared{key});
          }
        });
}

void World::Perform(Agent& agent, const agent::action::Cut& action) {
  Later(agent, action.key, Between(1, 20), [this, &agent](Job& job) {
    const agent::TaskKey key = job.key;
    if (OneIn(job_fault_ * 4)) {
      FailJob(agent, key, "timed_out", true);
      return;
    }
    if (IsSharded(job.scope) && !IsRest(job.scope)) {
      // Saves the shards that this agent leads now. Some may fail.
      for (int shard = 0; shard < kShards; ++shard) {
        const bool is_near = leaders_[static_cast<std::size_t>(shard)] == agent.index;
        if (is_near && !OneIn(job_fault_)) job.shards.insert(shard);
      }
      if (HasData(job.scope)) job.shards.insert(kNoShard);
    }
    if (IsSharded(job.scope) && OneIn(2)) {
      leaders_[Below(kShards)] = static_cast<int>(Between(0, static_cast<int>(agents_.size())));
    }
    StepAgent(agent, agent::event::TaskCut{key, AgentTime(agent).wall_ms});
  });
}

void World::Perform(Agent& agent, const agent::action::StartSave& action) {
  const agent::TaskKey key = action.key;
  agent.part_locks[key] = repository_.TakeLock(agent.index, agent.life);
  Later(agent, key, StorageMs(), [this, &agent](Job& first) {
    StepAgent(agent, agent::event::TaskProgress{.key = first.key, .phase = "save", .bytes = 1'000});
    if (!agent.is_alive || !agent.jobs.contains(first.key)) return;
    Later(agent, first.key, OneIn(6) ? Between(1'000, 3 * kMinuteMs) : StorageMs(),
          [this, &agent](Job& job) {
            const agent::TaskKey saved = job.key;
            if (StorageFails()) {
              FailJob(agent, saved, OneIn(3) ? "no_space" : "unavailable", !OneIn(3));
              return;
            }
            if (IsRest(job.scope)) {
              for (const Bytes& other : job.others) {
                if (repository_.HasAll(repository_.parts[other])) continue;
                FailJob(agent, saved, "corrupt", false);
                return;
              }
              const std::set<int> there = ShardsOf(job.others);
              for (int shard = 0; shard <= kNoShard; ++shard) {
                if (!there.contains(shard)) job.shards.insert(shard);
              }
              if (job.shards.contains(kNoShard) != HasData(job.scope))
                Violate("the rest is asked to have the data beside another part, or not without");
            }
            Bytes tree(32);
            random_.Fill(tree);
            repository_.shards[tree] = job.shards;
            std::set<int>& packs = repository_.parts[tree];
            for (std::int64_t i = Between(1, 3); i > 0; --i) {
              packs.insert(++repository_.packs_made);
              repository_.packs.insert(repository_.packs_made);
            }
            v1::Part part;
            part.set_tree_id(std::string(AsText(tree)));
            part.set_items(3);
            part.set_bytes(1'000);
            EndJob(agent, saved, agent::event::TaskSaved{saved, Serialised(part)});
          });
  });
}

std::set<int> World::ShardsOf(const std::vector<Bytes>& trees) const {
  std::set<int> all;
  for (const Bytes& tree : trees) {
    const auto found = repository_.shards.find(tree);
    if (found != repository_.shards.end()) all.insert(found->second.begin(), found->second.end());
  }
  return all;
}

// The composer would refuse other combinations.
void World::CheckParts(const agent::action::StartCompose& action) {
  std::set<std::string> nodes;
  int data = 0;
  int rests = 0;
  for (const agent::action::PartReference& part : action.parts) {
    data += HasData(part.scope) ? 1 : 0;
    rests += IsRest(part.scope) ? 1 : 0;
    if (!IsRest(part.scope) && !nodes.insert(part.node).second)
      Violate("two parts of one node are to be composed: " + action.source);
  }
  if (data != 1) Violate("not exactly one part to be composed has the data: " + action.source);
  if (rests > (AreSharded(action.parts) ? 1 : 0)) Violate("too many rests are to be composed");
  if (AreSharded(action.parts) != (action.source == "shop/main"))
    Violate("parts are to be composed the wrong way: " + action.source);
}

void World::Perform(Agent& agent, const agent::action::StartCompose& action) {
  const agent::TaskKey key = action.key;
  // The task of a local source was checked when it started to save.
  if (!agent.prepared.contains({agent.life, key})) CheckStart(agent, key);
  Job& job = agent.jobs[key];
  job.key = key;
  job.run = action.run;
  job.source = action.source;
  job.host = action.host;
  job.write_until_ms = action.write_until_boot_ms;
  job.packs.clear();
  job.lock = repository_.TakeLock(agent.index, agent.life);
  std::vector<Bytes> trees;
  for (const agent::action::PartReference& part : action.parts) {
    trees.push_back(part.tree_id);
    const std::set<int>& packs = repository_.parts[trees.back()];
    job.packs.insert(packs.begin(), packs.end());
  }
  CheckParts(action);
  job.shards = ShardsOf(trees);
  job.is_whole =
      AreSharded(action.parts) &&
      std::ranges::none_of(action.lacking, [](const auto& one) { return one.node.empty(); });
  v1::Composed composed;
  Bytes id(32);
  random_.Fill(id);
  if (action.sealed) {
    id = action.sealed->snapshot;
    composed.ParseFromArray(action.sealed->composed.data(),
                            static_cast<int>(action.sealed->composed.size()));
  } else {
    composed.set_snapshot(std::string(AsText(id)));
    composed.set_host(action.host);
    composed.set_time_ms(AgentTime(agent).wall_ms);
    composed.set_partial(!action.lacking.empty());
    composed.set_missing_count(action.lacking.size());
    composed.set_cut_barrier_met(action.cut_barrier_met);
  }
  job.snapshot = id;
  job.composed = Serialised(composed);
  std::int64_t look_ms = StorageMs();
  if (OneIn(job_fault_ * 2)) {
    // It hangs without receiving anything: the worst composer. Healing does not wake it.
    look_ms = Between(5 * kMinuteMs, 18 * kMinuteMs);
    agent.hung_until_ms = now_ms_ + look_ms + kMinuteMs;
    Say(fmt::format("{} hangs in {} of {} for {} ms", agent.node, action.source, action.run,
                    look_ms));
  }
  Later(agent, key, StorageMs(), [this, &agent, key, look_ms](Job& one) {
    if (const Bytes* there = repository_.Find(one.run, one.source, one.host)) {
      v1::Composed found;
      const Bytes& said = repository_.snapshots.at(*there).composed;
      found.ParseFromArray(said.data(), static_cast<int>(said.size()));
      found.set_was_there(true);
      EndJob(agent, key, agent::event::TaskComposed{key, Serialised(found)});
      return;
    }
    Later(agent, key, look_ms, [this, &agent, key](Job& two) {
      if (!repository_.HasAll(two.packs)) {
        FailJob(agent, key, "corrupt", false);
      } else if (StorageFails()) {
        FailJob(agent, key, "unavailable", true);
      } else {
        const agent::event::SnapshotSealed sealed{key, two.snapshot, two.snapshot, two.composed};
        StepAgent(agent, sealed);
      }
    });
  });
}

void World::Perform(Agent& agent, const agent::action::WriteSnapshot& action) {
  Put(agent, action.key);
}

void World::Put(Agent& agent, const agent::TaskKey& key) {
  auto found = agent.jobs.find(key);
  if (found == agent.jobs.end()) return;
  Job& job = found->second;
  const bool is_over =
      now_ms_ > job.write_until_ms && planted_.agent != agent::PlantedBug::kComposeAfterExpiry;
  if (is_over) {
    FailJob(agent, key, "timed_out", true);
    return;
  }
  job.is_put = true;
  // The worst moment to die: the write is in flight, for longer than the process is away.
  const bool dies = !is_healed_ && OneIn(crash_ == 0 ? 0 : 10);
  const std::int64_t takes_ms = dies ? Between(10'000, 50'000) : StorageMs();
  const bool fails = !dies && StorageFails();
  const bool lands = !fails || OneIn(2);
  // A write in flight lands even if its sender dies.
  const RepositorySnapshot snapshot{job.run,    job.source,   job.host,    job.packs,
                                    job.shards, job.is_whole, job.composed};
  if (lands) In(takes_ms, [this, id = job.snapshot, snapshot] { Land(id, snapshot); });
  if (dies) {
    CrashAgent(agent);
    return;
  }
  Later(agent, key, takes_ms, [this, &agent, key, fails](Job& one) {
    if (fails) {
      Later(agent, key, 1'000, [this, &agent, key](Job&) { Put(agent, key); });
    } else {
      EndJob(agent, key, agent::event::TaskComposed{key, one.composed});
    }
  });
}

void World::Land(const Bytes& id, const RepositorySnapshot& snapshot) {
  const Bytes* other = repository_.Find(snapshot.run, snapshot.source, snapshot.host);
  if (other != nullptr && *other != id) {
    Violate(fmt::format("two snapshots of {} in run {}", snapshot.source, snapshot.run));
  }
  if (!repository_.HasAll(snapshot.packs))
    Violate("a snapshot is written whose packs are gone: " + snapshot.source);
  if (snapshot.is_whole && snapshot.shards.size() != kShards + 1)
    Violate("a snapshot lacks shards and does not say so: " + snapshot.source);
  repository_.snapshots[id] = snapshot;
  Say("snapshot of " + snapshot.source + " of " + snapshot.host);
}

void World::Perform(Agent& agent, const agent::action::StartProbe& action) {
  CheckStart(agent, action.key);
  agent.jobs[action.key].key = action.key;
  Later(agent, action.key, StorageMs(), [this, &agent](Job& job) {
    v1::ProbeResult result;
    for (const auto& [name, info] : agent.sources) {
      v1::ProbedSource& one = *result.add_sources();
      one.set_source(name);
      one.set_healthy(!OneIn(5));
    }
    EndJob(agent, agent::TaskKey(job.key), agent::event::TaskDone{job.key, Serialised(result)});
  });
}

void World::Perform(Agent& agent, const agent::action::StartVerify& action) {
  CheckStart(agent, action.key);
  agent.jobs[action.key].key = action.key;
  Later(agent, action.key, StorageMs(), [this, &agent](Job& job) {
    v1::VerifyResult result;
    result.set_sound(true);
    EndJob(agent, agent::TaskKey(job.key), agent::event::TaskDone{job.key, Serialised(result)});
  });
}

void World::Perform(Agent& agent, const agent::action::StartInventory& action) {
  CheckStart(agent, action.key);
  agent.jobs[action.key].key = action.key;
  Later(agent, action.key, StorageMs(), [this, &agent, after = action.after](Job& job) {
    v1::InventoryResult result;
    for (const auto& [id, snapshot] : repository_.snapshots) {
      if (!after.empty() && HexEncode(id) <= after) continue;
      if (static_cast<std::size_t>(result.snapshots_size()) == kInventoryPage) {
        result.set_more(true);
        break;
      }
      v1::InventoriedSnapshot& one = *result.add_snapshots();
      one.set_id(std::string(AsText(id)));
      one.set_source(snapshot.source);
      one.set_host(snapshot.host);
      one.set_run(snapshot.run);
    }
    EndJob(agent, agent::TaskKey(job.key), agent::event::TaskDone{job.key, Serialised(result)});
  });
}

void World::Perform(Agent& agent, const agent::action::StartRestore& action) {
  CheckStart(agent, action.key);
  const std::optional<testing::CheapOpened> opened = testing::OpenCheap(action.envelope);
  if (!opened || !opened->signers.contains(testing::CheapKey("anna"))) {
    Violate(agent.node + " restores without an operator");
  }
  agent.jobs[action.key].key = action.key;
  Later(agent, action.key, StorageMs(), [this, &agent](Job& job) {
    EndJob(agent, agent::TaskKey(job.key),
           agent::event::TaskDone{job.key, Serialised(v1::Restored())});
  });
}

void World::Perform(Agent& agent, const agent::action::StopTask& action) {
  auto job = agent.jobs.find(action.key);
  if (job == agent.jobs.end() || job->second.is_stopped) return;
  job->second.is_stopped = true;
  // A write that has started ends by itself.
  if (job->second.is_put) return;
  Later(agent, action.key, Between(1, 500),
        [this, &agent](Job& one) { FailJob(agent, agent::TaskKey(one.key), "cancelled", false); });
}

void World::Perform(Agent& agent, const agent::action::HoldParts& action) {
  In(Between(1, 2'000), [this, &agent, life = agent.life, parts = action.parts] {
    if (life != agent.life) return;
    if (StorageFails()) {
      StepAgent(agent,
                agent::event::PartsHeld{TaskError{.code = "unavailable", .retryable = true}});
      return;
    }
    for (const agent::UncomposedPartRecord& part : parts) {
      agent.part_locks[{part.plan_id, part.task}] = repository_.TakeLock(agent.index, agent.life);
    }
    std::erase_if(repository_.locks, [&](const auto& one) {
      return one.second.agent == agent.index && one.second.life != agent.life;
    });
    agent.is_held = true;
    StepAgent(agent, agent::event::PartsHeld{});
  });
}

void World::Perform(Agent& agent, const agent::action::ReleasePart& action) {
  auto lock = agent.part_locks.find(action.key);
  if (lock == agent.part_locks.end()) return;
  repository_.locks.erase(lock->second);
  agent.part_locks.erase(lock);
}

void World::Perform(Agent& agent, const agent::action::LoadReports& action) {
  In(Between(1, 20), [this, &agent, life = agent.life, action] {
    if (life != agent.life) return;
    StepAgent(agent,
              agent::event::ReportsLoaded{agent.journal.ReportsFrom(action.first, action.limit)});
  });
}

}  // namespace holdfast::sim
