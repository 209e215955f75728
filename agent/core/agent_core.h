// Makes an agent's decisions: whether to obey a plan, what to run when, and what to report. Pure:
// the same events yield the same effects. No I/O, clock, threads or randomness other than what is
// passed in.
//
// A plan is executed only after it is durable, and a job's outcome is forgotten only after its
// report is durable. Work that a crash interrupts restarts under the same plan. Not thread-safe.
// Rules: docs/protocol.md.
//
// This room decides. Start with events.h (input and output) and records.h (durable state).
// machine.h lists the classes and what each may know. The room must not do what it decides:
// agent/daemon does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/core/events.h"
#include "agent/core/records.h"
#include "agent/core/trust.h"
#include "common/base/random.h"

namespace holdfast::agent {

// Faults that only the simulation injects. Each breaks one rule, to prove that the simulation
// detects it.
enum class PlantedBug : std::uint8_t {
  kNone,
  kForgetPlans,           // does not persist accepted plans
  kObeyWithoutOperators,  // skips the check `operators`
  kReleaseEarly,          // releases a part's lock once it is saved
  kForgetParts,           // takes no new locks after a crash
  kComposeAfterExpiry,    // writes a snapshot after the deadline
  kForgetSealed,          // creates another snapshot after a crash
  kDropReports,           // treats reports as taken once they are sent
};

// One source of the agent's configuration.
struct ConfiguredSource {
  std::string repository;
  std::string topology = "local";
};

struct Options {
  std::string version;
  std::string boot_id;                              // the kernel's
  std::map<std::string, ConfiguredSource> sources;  // by "kind/name"
  std::vector<std::string> repositories;
  std::uint32_t tasks_max = 2;       // saving at the same time
  std::uint32_t other_jobs_max = 4;  // probes, verifications, inventories
  std::int64_t hello_retry_ms = 5'000;
  std::int64_t hello_retry_max_ms = 60'000;
  std::int64_t report_resend_ms = 10'000;
  std::int64_t report_resend_max_ms = 300'000;
  std::int64_t fresh_wait_ms = 30'000;
  std::int64_t hold_retry_ms = 10'000;
  std::int64_t forget_after_ms = 24 * 3'600'000LL + 120'000;  // after a plan's expiry
  std::int64_t keep_reports_ms = 30 * 24 * 3'600'000LL;
  std::uint32_t parked_max = 16;
  std::uint32_t refusals_per_minute = 30;  // refusals without a controller's signature
  PlantedBug planted_bug = PlantedBug::kNone;
};

// State of a task, for inspecting the agent.
struct TaskStatus {
  TaskKey key;
  std::string run;
  std::string source;
  TaskState state = TaskState::kAccepted;
  std::string phase;
};

class Machine;

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
  std::unique_ptr<Machine> machine_;
};

}  // namespace holdfast::agent
