// Makes an agent's decisions: whether to obey a plan, what to run when, and what to report. Pure:
// the same events yield the same effects. No I/O, clock, threads or randomness other than what is
// passed in.
//
// A plan is executed only after it is durable, and a job's outcome is forgotten only after its
// report is durable. Work that a crash interrupts restarts under the same plan. Not thread-safe.
// Rules: docs/protocol.md.
//
// This room decides; agent/daemon acts on the decisions. Start with events.h (input and output) and
// records.h (durable state). AgentCore routes each event and due timer to the class that handles
// it. A class knows only those before it in this order: StepContext, IdentityState, Plans, Session,
// Reports, Parts, ProgressSender, Tasks. Jobs and Orders come last and do not know each other.
// AgentCore owns all of these, so references between them stay valid. `loaded` is used only in
// constructors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/core/events.h"
#include "agent/core/options.h"
#include "agent/core/records.h"
#include "agent/core/trust.h"
#include "common/base/random.h"

namespace holdfast::agent {

// State of a task, for inspecting the agent.
struct TaskStatus {
  TaskKey key;
  std::string run;
  std::string source;
  TaskState state = TaskState::kAccepted;
  std::string phase;
};

class AgentCore {
 public:
  // `trust` and `random` must outlive the core. REQUIRES: loaded.identity is of a joined agent.
  AgentCore(const Options& options, const Loaded& loaded, Trust& trust, Random& random);
  ~AgentCore();

  // REQUIRES: `now.boot_ms` never decreases; the first event is Started.
  Effects Step(const Time& now, const Event& event);
  // When to send TimePassed, in milliseconds of `boot_ms`; Deadlines::kNever: not at all.
  std::int64_t NextWake() const;

  std::vector<TaskStatus> Tasks() const;
  bool is_connected() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::agent
