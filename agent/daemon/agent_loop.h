// The one thread that decides on a node: it hears the controller and its own tasks, lets the core
// decide, makes what was decided durable, and only then acts and speaks.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/core/agent_core.h"
#include "agent/core/events.h"
#include "agent/daemon/task_runner.h"
#include "agent/journal/journal.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/bus/bus_client.h"
#include "common/service/notify.h"

namespace holdfast::agent {

class AgentLoop {
 public:
  // All that is referred to outlives the loop.
  AgentLoop(Options options, const Loaded& loaded, Journal& journal, Trust& trust,
            bus::BusClient& bus, TaskRunnerOptions runner, Random& random, const Clock& clock);
  // Stops all tasks and waits for them.
  ~AgentLoop();

  // Until a stop is requested. An error when the journal refuses: what is not durable is not
  // obeyed, so the process must end, and begin again from what is.
  Result<void> Run(const std::stop_token& stop, const Notifier& notifier);

 private:
  void Post(Event event);
  void Feed(const Event& event);
  Result<void> Commit();
  Result<void> Hear(Instant deadline);
  void Perform(const Action& action);
  Instant NextDeadline(const Notifier& notifier) const;
  Time Now() const;

  Journal& journal_;
  bus::BusClient& bus_;
  const Clock& clock_;
  std::unique_ptr<AgentCore> core_;
  std::vector<Change> changes_;
  std::vector<Action> actions_;
  std::mutex mutex_;
  std::deque<Event> posted_;
  std::unique_ptr<TaskRunner> runner_;  // last: its threads post until it is gone
};

}  // namespace holdfast::agent
