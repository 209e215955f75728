// Simulates a controller core and agent cores in one process, in virtual time, from one seed. Bus,
// journals, repository and clocks fail in the worst ways that real ones can. After each step,
// invariants are checked; the first violation ends the run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/core/agent_core.h"
#include "controller/core/controller_core.h"
#include "tests/sim/repository.h"
#include "tests/support/cheap_agent_trust.h"
#include "tests/support/memory_catalog.h"
#include "tests/support/memory_journal.h"
#include "tests/support/seeded_random.h"

namespace holdfast::sim {

inline constexpr std::int64_t kMinuteMs = 60'000;

// Bugs planted on purpose, to prove that they are detected.
struct Planted {
  controller::PlantedBug controller = controller::PlantedBug::kNone;
  agent::PlantedBug agent = agent::PlantedBug::kNone;
  bool speak_first = false;  // the performer sends before recording
};

struct Outcome {
  std::string violation;  // empty: all invariants held
  std::uint64_t steps = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t runs_done = 0;
  std::uint64_t crashes = 0;
};

class World {
 public:
  World(std::uint64_t seed, const Planted& planted, bool is_verbose);
  ~World();
  Outcome Run();

 private:
  struct Job {
    agent::TaskKey key;
    std::string run;
    std::string source;
    std::string host;
    BackupScope scope = BackupScope::kWhole;
    std::vector<Bytes> others;  // tree ids
    std::vector<Bytes> parts;
    std::set<int> packs;   // of all parts
    std::set<int> shards;  // of all parts, or of the one being saved
    bool is_whole = false;
    std::int64_t write_until_ms = 0;
    Bytes snapshot;
    Bytes composed;
    bool is_put = false;  // a write was started
    bool is_stopped = false;
    int lock = 0;            // of the job itself
    std::uint64_t step = 0;  // what is scheduled for an earlier step is cancelled
  };
  struct Agent {
    int index = 0;
    std::string node;
    std::unique_ptr<testing::CheapAgentTrust> trust;
    std::unique_ptr<agent::AgentCore> core;
    testing::MemoryJournal journal;
    std::vector<agent::Effects> pending;
    bool is_commit_due = false;
    int life = 0;
    bool is_alive = false;
    bool is_held = false;  // has its parts' locks in this life
    std::int64_t down_since_ms = 0;
    std::int64_t offset_ms = 0;  // of its wall clock
    std::int64_t cut_off_until_ms = 0;
    std::int64_t hung_until_ms = 0;
    std::int64_t disk_full_until_ms = 0;
    std::int64_t wake_ms = 0;
    std::uint64_t boot = 0;
    std::map<agent::TaskKey, Job> jobs;
    std::map<agent::TaskKey, int> part_locks;
    std::map<std::string, agent::ConfiguredSource> sources;
    std::set<agent::TaskKey> reported;                  // with a durable outcome
    std::set<std::pair<int, agent::TaskKey>> prepared;  // life, key
  };
  struct Scheduled {
    std::int64_t at_ms;
    std::uint64_t order;
    std::function<void()> what;
    bool operator>(const Scheduled& other) const {
      return std::tie(at_ms, order) > std::tie(other.at_ms, other.order);
    }
  };

  // world.cc: time, faults, the scenario
  void At(std::int64_t at_ms, std::function<void()> what);
  void In(std::int64_t ms, std::function<void()> what) { At(now_ms_ + ms, std::move(what)); }
  std::uint64_t Below(std::uint64_t limit) { return limit == 0 ? 0 : random_.Next64() % limit; }
  std::int64_t Between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(Below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool OneIn(std::uint64_t n) { return n != 0 && Below(n) == 0; }
  void RunUntil(std::int64_t until_ms);
  void Violate(const std::string& text);
  void Say(const std::string& text);
  void ScheduleScenario();
  void MakeFaults();
  void Request();
  void Rotate();
  void Attack();
  void Prune();
  void Heal();
  void CheckConverged();
  void CheckRebuilt();
  void CheckSnapshots(const std::string& when);

  // processes.cc: performing the cores' effects
  void StartController();
  void CrashController();
  void StepController(const controller::Event& event);
  void CommitController();
  void PerformController(const controller::Action& action);
  void WakeController();
  void CheckControllerStep(const controller::Effects& effects);
  void CheckControllerCommit(const controller::Effects& effects);
  void StartAgent(Agent& agent);
  void CrashAgent(Agent& agent);
  void StepAgent(Agent& agent, const agent::Event& event);
  void CommitAgent(Agent& agent);
  void WakeAgent(Agent& agent);
  void CheckAgentCommit(Agent& agent, const agent::Effects& effects);
  void ToAgent(Agent& agent, const Bytes& message);
  void ToController(Agent& agent, const Bytes& message);
  std::int64_t Transit();
  controller::Time ControllerTime() const {
    return {kEpochMs + now_ms_ + controller_offset_ms_, now_ms_};
  }
  agent::Time AgentTime(const Agent& agent) const {
    return {kEpochMs + now_ms_ + agent.offset_ms, now_ms_};
  }

  // jobs.cc: performing the agents' actions
  void PerformAgent(Agent& agent, const agent::Action& action);
  void Perform(Agent& agent, const agent::action::Send& action);
  void Perform(Agent& agent, const agent::action::StartPrepare& action);
  void Perform(Agent& agent, const agent::action::Cut& action);
  void Perform(Agent& agent, const agent::action::StartSave& action);
  void Perform(Agent& agent, const agent::action::StartCompose& action);
  void Perform(Agent& agent, const agent::action::WriteSnapshot& action);
  void Perform(Agent& agent, const agent::action::StartProbe& action);
  void Perform(Agent& agent, const agent::action::StartVerify& action);
  void Perform(Agent& agent, const agent::action::StartInventory& action);
  void Perform(Agent& agent, const agent::action::StartRestore& action);
  void Perform(Agent& agent, const agent::action::StopTask& action);
  void Perform(Agent& agent, const agent::action::HoldParts& action);
  void Perform(Agent& agent, const agent::action::ReleasePart& action);
  void Perform(Agent& agent, const agent::action::LoadReports& action);
  void Perform(Agent& agent, const agent::action::UseBusKeys& action);
  void Perform(Agent& agent, const agent::action::Note& action);
  void Later(Agent& agent, const agent::TaskKey& key, std::int64_t ms,
             std::function<void(Job&)> what);
  void EndJob(Agent& agent, const agent::TaskKey& key, agent::Event event);
  void FailJob(Agent& agent, const agent::TaskKey& key, const std::string& code, bool retryable);
  void Put(Agent& agent, const agent::TaskKey& key);
  void Land(const Bytes& id, const RepositorySnapshot& snapshot);
  std::int64_t StorageMs();
  bool StorageFails();
  void CheckStart(Agent& agent, const agent::TaskKey& key);
  std::set<int> ShardsOf(const std::vector<Bytes>& trees) const;
  void CheckParts(const agent::action::StartCompose& action);

  static constexpr int kShards = 6;
  static constexpr int kNoShard = kShards;  // what belongs to no shard
  static constexpr std::int64_t kEpochMs = 1'700'000'000'000;
  static constexpr const char* kClusterId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

  const std::uint64_t seed_;
  const Planted planted_;
  const bool is_verbose_;
  testing::SeededRandom random_;
  std::int64_t now_ms_ = 0;
  std::uint64_t order_ = 0;
  std::priority_queue<Scheduled, std::vector<Scheduled>, std::greater<>> queue_;
  Outcome outcome_;
  bool is_healed_ = false;
  std::int64_t fault_end_ms_ = 0;
  // Each fault occurs once in this number of opportunities; 0: never.
  std::uint64_t loss_ = 0;
  std::uint64_t doubling_ = 0;
  std::uint64_t delay_ = 0;
  std::uint64_t crash_ = 0;
  std::uint64_t job_fault_ = 0;
  std::int64_t slow_until_ms_ = 0;

  testing::CheapControllerTrust controller_trust_;
  testing::MemoryCatalog catalog_;
  std::unique_ptr<controller::ControllerCore> controller_;
  std::vector<controller::Effects> controller_pending_;
  bool is_controller_commit_due_ = false;
  int controller_life_ = 0;
  std::int64_t controller_offset_ms_ = 0;
  std::int64_t controller_disk_full_until_ms_ = 0;
  std::int64_t controller_wake_ms_ = 0;
  std::map<std::pair<std::string, std::uint32_t>, controller::TaskState> task_states_;
  std::set<std::string> unique_audits_;
  std::map<std::string, std::uint64_t> reports_taken_;
  std::set<std::string> drafts_;  // waiting for anna

  Repository repository_;
  std::vector<std::unique_ptr<Agent>> agents_;
  std::vector<int> leaders_;  // by shard of the sharded source: an agent, or an unused index
};

}  // namespace holdfast::sim
