// What an agent decides: whether to obey, what runs when, what is said of it. Pure: the same events
// give the same effects; no I/O, no clock, no thread, no randomness but the one it is given.
//
// A plan is acted on only after it is durable, a job's outcome is forgotten only after its report
// is. What a crash interrupts begins again under the same plan. Not for several threads. Rules:
// docs/protocol.md.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/events.h"
#include "agent/core/records.h"
#include "agent/core/trust.h"
#include "common/base/random.h"

namespace holdfast::agent {

// Faults that only the simulation switches on: each breaks one rule, so that a run of the
// simulation shows that it would notice.
enum class PlantedBug : std::uint8_t {
  kNone,
  kForgetPlans,           // accepted plans are not written
  kObeyWithoutOperators,  // the check `operators` is passed over
  kReleaseEarly,          // a part's lock is given back when it is saved
  kForgetParts,           // after a crash no new lock is taken
  kComposeAfterExpiry,    // a snapshot is written whatever the time is
  kForgetSealed,          // after a crash a snapshot is made anew
  kDropReports,           // reports count as taken when they are sent
};

// One source of the agent's configuration.
struct SourceInfo {
  std::string repository = {};
  std::string topology = "local";
};

struct Options {
  std::string version = {};
  std::string boot_id = {};                        // of the kernel
  std::map<std::string, SourceInfo> sources = {};  // by "kind/name"
  std::vector<std::string> repositories = {};
  std::uint32_t tasks_max = 2;       // that save at once
  std::uint32_t other_jobs_max = 4;  // probes, verifications, inventories
  std::int64_t hello_retry_ms = 5'000;
  std::int64_t hello_retry_max_ms = 60'000;
  std::int64_t report_resend_ms = 10'000;
  std::int64_t report_resend_max_ms = 300'000;
  std::int64_t fresh_wait_ms = 30'000;
  std::int64_t hold_retry_ms = 10'000;
  std::int64_t forget_after_ms = 24 * 3'600'000LL + 120'000;  // an expired plan
  std::int64_t keep_reports_ms = 30 * 24 * 3'600'000LL;
  std::uint32_t parked_max = 16;
  std::uint32_t refusals_per_minute = 30;  // of what no controller has signed
  PlantedBug planted_bug = PlantedBug::kNone;
};

// A task as it stands, for who looks at the agent itself.
struct TaskStatus {
  TaskKey key = {};
  std::string run = {};
  std::string source = {};
  TaskState state = TaskState::kAccepted;
  std::string phase = {};
};

class Machine;

class AgentCore {
 public:
  // `trust` and `random` outlive the core. REQUIRES: loaded.identity is of a joined agent.
  AgentCore(const Options& options, const Loaded& loaded, Trust& trust, Random& random);
  ~AgentCore();

  // REQUIRES: `now.boot_ms` is not below that of the step before; the first event is Started.
  Effects Step(const Time& now, const Event& event);
  // When TimePassed is wanted, in milliseconds of `boot_ms`; Deadlines::kNever for not at all.
  std::int64_t NextWake() const;

  std::vector<TaskStatus> Tasks() const;
  bool is_connected() const;

 private:
  std::unique_ptr<Machine> machine_;
};

}  // namespace holdfast::agent
