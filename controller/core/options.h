// The limits and intervals of a controller's core. Times are in milliseconds.
#pragma once

#include <cstdint>

namespace holdfast::controller {

// Bugs that only the simulation enables. Each one breaks one rule, to show that the simulation
// would detect it.
enum class PlantedBug : std::uint8_t {
  kNone,
  kNoFence,          // another composer is asked while the first may still write
  kTakeTwice,        // a duplicate report is applied again
  kSkipReports,      // reports after a gap are acknowledged
  kNoAudit,          // a lost agent's tasks change without an event
  kForgetInventory,  // an inventory ends after its first page
  kNoResend,         // a plan is sent only once
  kNewestRoot,       // an outdated agent gets the newest root document, not the next
  kLosePart,         // a part that the rest of a sharded source relies on is not composed
};

struct Options {
  std::int64_t heartbeat_min_ms = 30'000;
  std::uint32_t heartbeats_per_s = 300;  // of all agents together
  std::int64_t resend_first_ms = 30'000;
  std::int64_t resend_max_ms = 600'000;
  std::int64_t cut_resend_first_ms = 1'000;
  std::int64_t cut_window_ms = 2'000;              // from the first prepared task
  std::int64_t cut_wait_ms = 15'000;               // then a task cuts without an order
  std::int64_t backup_life_ms = 12 * 3'600'000LL;  // of a run, from its start
  std::int64_t probe_life_ms = 10 * 60'000LL;
  std::int64_t inventory_life_ms = 6 * 3'600'000LL;
  std::int64_t verify_life_ms = 22 * 3'600'000LL;
  std::int64_t draft_life_ms = 4 * 3'600'000LL;     // from its creation
  std::int64_t restore_life_ms = 23 * 3'600'000LL;  // from the draft
  std::int64_t token_life_ms = 15 * 60'000LL;
  std::int64_t compose_life_ms = 10 * 60'000LL;
  std::int64_t fence_ms = 120'000;  // after the expiry of a compose order
  std::uint32_t compose_attempts = 4;
  std::uint32_t rounds = 3;
  std::uint32_t rounds_if_queued = 30;  // of a busy source, with queue_if_busy
  std::int64_t retry_after_ms = 60'000;
  double starts_per_s = 20;  // saving tasks, per repository
  std::uint32_t starts_burst = 20;
  std::uint32_t runs_max = 200;
  std::uint32_t queued_max = 100;
  std::uint32_t drafts_max = 200;
  std::uint32_t tokens_max = 10'000;
  std::uint32_t inventory_max = 500'000;  // snapshots of one repository
  std::int64_t flush_ms = 10'000;         // how often last_seen is stored
  PlantedBug planted_bug = PlantedBug::kNone;
};

}  // namespace holdfast::controller
