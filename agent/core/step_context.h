// What the classes of the core share: the inputs of the current step, its effects and the timers.
// No rules.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "agent/core/events.h"
#include "agent/core/options.h"
#include "agent/core/trust.h"
#include "common/base/deadlines.h"
#include "common/base/random.h"

namespace holdfast::agent {

// Timers that are due at the same time run in this order.
enum class TimerKind : std::uint8_t {
  kHello,
  kHeartbeat,
  kLease,
  kReports,
  kProgress,
  kCutWait,  // task
  kStart,    // task; it may begin to save
  kExpire,   // plan id
  kForget,   // plan id
  kParked,
  kHold,
  kForgetReports,
  kLanding,  // run
};
using Timer = std::pair<TimerKind, std::string>;

// `trust` and `random` must outlive it.
struct StepContext {
  const Options options;
  Trust& trust;
  Random& random;
  Time now;
  Deadlines<Timer> deadlines = {};
  Effects effects;  // of this step so far

  void Put(Change change) { effects.changes.push_back(std::move(change)); }
  void Perform(Action action) { effects.actions.push_back(std::move(action)); }
  void Warn(std::string text) { Perform(action::Note{std::move(text), true}); }
  void SetTimer(TimerKind kind, std::int64_t delay_ms, std::string name = {}) {
    deadlines.Set({kind, std::move(name)}, now.boot_ms + delay_ms);
  }
  void CancelTimer(TimerKind kind, std::string name = {}) {
    deadlines.Cancel({kind, std::move(name)});
  }
  bool HasBug(PlantedBug bug) const { return options.planted_bug == bug; }
};

}  // namespace holdfast::agent
