// Performs the actions of the agent's core. Each task runs in its own thread, uses agent/jobs, and
// posts its outcome as an event.
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
#include "agent/jobs/backup/held_parts.h"
#include "agent/jobs/session/bandwidth.h"
#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "agent/settings/policy.h"
#include "agent/settings/settings.h"
#include "agent/sources/source.h"
#include "common/base/clock.h"
#include "common/base/random.h"

namespace holdfast::v1 {
class Plan;
}

namespace holdfast::agent {

struct TaskRunnerOptions {
  const AgentSettings* settings = nullptr;
  const std::vector<SourceKind>* kinds = nullptr;
  const Clock* clock = nullptr;
  Random* random = nullptr;
  RestoreLauncher* restores = nullptr;
  // Targets of this policy that are not `as_root` are restored by the agent itself; null: none.
  const Policy* policy = nullptr;
  // Tests use an in-memory storage.
  StorageOpener open_storage = MakeStorageOpener();
  std::chrono::milliseconds progress_every{500};
};

// Call Perform() on one thread. Everything referred to must outlive the runner. `post` is called
// from the runner's threads.
class TaskRunner {
 public:
  using Post = std::function<void(Event)>;
  TaskRunner(TaskRunnerOptions options, Post post);
  // Stops all jobs and waits for them; no event is posted afterwards. Releases the locks of parts
  // that wait to be composed; the next process first takes new ones.
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

  // Starts a thread that runs `work`. The job ends when `work` returns.
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
  void RunTargetRestore(Job& job, const v1::Plan& plan, const RestoreTargetSettings& target);

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
