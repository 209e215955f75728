// The thread that decides on a node. It passes controller messages and task events to the core,
// makes the core's changes durable, and only then performs its actions.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/agent_core.h"
#include "agent/core/events.h"
#include "agent/daemon/task_runner.h"
#include "agent/journal/journal.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/bus/bus_client.h"
#include "common/service/notify.h"

namespace holdfast::agent {

// Keys as in the root document and IdentityRecord: 32 bytes. `former` may be empty.
bus::ServerKeys ServerKeysOf(ByteView key, ByteView former);

// What the log says about BusEvent::kRefused, with the next command where a command helps.
std::string RefusalText(const bus::BusEvent& refused, std::string_view node);

class AgentLoop {
 public:
  // Everything referred to must outlive the loop.
  AgentLoop(Options options, const Loaded& loaded, Journal& journal, Trust& trust,
            bus::BusClient& bus, TaskRunnerOptions runner, Random& random, const Clock& clock);
  // Stops all tasks and waits for them.
  ~AgentLoop();

  // Runs until a stop is requested. Fails if the journal cannot be written: only durable changes
  // may be acted on, so the process must end and restart from what is durable.
  Result<void> Run(const std::stop_token& stop, const Notifier& notifier);

 private:
  void Post(Event event);
  void Feed(const Event& event);
  Result<void> Commit();
  Result<void> Hear(Instant deadline);
  void Perform(const Action& action);
  Instant NextDeadline(const Notifier& notifier) const;
  Time Now() const;

  const std::string node_;
  Journal& journal_;
  bus::BusClient& bus_;
  const Clock& clock_;
  std::unique_ptr<AgentCore> core_;
  std::vector<Change> changes_;
  std::vector<Action> actions_;
  std::mutex mutex_;
  std::deque<Event> posted_;
  std::unique_ptr<TaskRunner> runner_;  // last: its threads call Post() until it is destroyed
};

}  // namespace holdfast::agent
