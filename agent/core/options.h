// The options of an agent's core, which agent/daemon fills in.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

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

}  // namespace holdfast::agent
