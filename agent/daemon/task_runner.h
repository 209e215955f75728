// Does what the agent's core asks for: a thread for each task, the steps of agent/jobs in it, and
// its outcome back as an event.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/core/events.h"
#include "agent/daemon/restore_launcher.h"
#include "agent/jobs/bandwidth.h"
#include "agent/jobs/held_parts.h"
#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "agent/settings/policy.h"
#include "agent/settings/settings.h"
#include "agent/sources/source.h"
#include "common/base/clock.h"
#include "common/base/random.h"

namespace holdfast::v1 {
class RestoreOrder;
}

namespace holdfast::agent {

struct TaskRunnerOptions {
  const Settings* settings = nullptr;
  const std::vector<SourceKind>* kinds = nullptr;
  const Clock* clock = nullptr;
  Random* random = nullptr;
  RestoreLauncher* restores = nullptr;
  const Policy* policy = nullptr;  // what restores the agent does itself; null: none
  // Tests put a storage in memory here.
  StorageOpener open_storage = MakeStorageOpener();
  std::chrono::milliseconds progress_every{500};
};

// Perform() is called by one thread. Everything referred to outlives the runner; so does what
// `post` needs, which is called from the runner's threads.
class TaskRunner {
 public:
  using Post = std::function<void(Event)>;
  TaskRunner(TaskRunnerOptions options, Post post);
  // Stops what runs and waits for it; no event comes after. Locks of parts that wait to be composed
  // are given back: whoever starts next takes new ones first.
  ~TaskRunner();

  void Perform(const action::StartPrepare& action);
  void Perform(const action::Cut& action);
  void Perform(const action::StartSave& action);
  void Perform(const action::StartCompose& action);
  void Perform(const action::WriteSnapshot& action);
  void Perform(const action::StartProbe& action);
  void Perform(const action::StartVerify& action);
  void Perform(const action::StartInventory& action);
  void Perform(const action::StartRestore& action);
  void Perform(const action::StopTask& action);
  void Perform(const action::HoldParts& action);
  void Perform(const action::ReleasePart& action);

 private:
  enum class Word : std::uint8_t { kCut, kSave, kWrite };
  class Job;

  // Begins a thread that runs `work` and is over when it returns.
  void Begin(const TaskKey& key, const std::string& run, const std::string& requester,
             std::function<void(Job& job)> work);
  void Say(const TaskKey& key, Word word);
  void Reap();
  void Sample(const std::stop_token& stop);
  jobs::JobContext ContextOf(Job& job);
  jobs::JobContext Context(std::stop_token stop);
  void PostFailure(const TaskKey& key, const Error& error, bool began = false,
                   bool rolled_back = false);

  void RunBackup(Job& job, const action::StartPrepare& action);
  void RunCompose(Job& job, const action::StartCompose& action);
  void RunProbe(Job& job, const action::StartProbe& action);
  void RunVerify(Job& job, const action::StartVerify& action);
  void RunInventory(Job& job, const action::StartInventory& action);
  void RunTargetRestore(Job& job, const v1::RestoreOrder& order,
                        const RestoreTargetSettings& target);

  const TaskRunnerOptions options_;
  const Post post_;
  const jobs::Bandwidth bandwidth_;
  jobs::RepositoryPool repositories_;
  jobs::HeldParts held_;
  std::mutex mutex_;
  std::map<TaskKey, std::unique_ptr<Job>> jobs_;
  std::jthread holder_;
  std::jthread sampler_;  // last
};

}  // namespace holdfast::agent
