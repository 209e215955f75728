// What the classes of the core share during a step: its time, the deadlines, and its effects so
// far, in order. Knows no rule about agents, runs or plans. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/deadlines.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "controller/core/events.h"
#include "controller/core/options.h"
#include "controller/core/trust.h"

namespace holdfast::controller {

enum class TimerKind : std::uint8_t {
  kLease,   // node
  kResend,  // plan id
  kCut,     // run
  kRun,     // run
  kUnit,    // run + unit
  kDraft,   // run
  kToken,   // node
  kExpire,  // plan id, of an unanswered EndOrder
  kFlush,
};
using Timer = std::pair<TimerKind, std::string>;

class StepContext {
 public:
  // `trust` and `random` must outlive it.
  StepContext(const Options& options, const Trust& trust, Random& random)
      : options_(options), trust_(trust), random_(random) {}

  // REQUIRES: `now.mono_ms` is not below that of the previous step.
  void Begin(const Time& now);
  // The effects since Begin().
  Effects End() { return std::exchange(effects_, {}); }

  const Options& options() const { return options_; }
  const Trust& trust() const { return trust_; }
  Random& random() { return random_; }
  const Time& now() const { return now_; }
  // `mono_ms` of the first step.
  std::int64_t started_ms() const { return started_ms_; }
  // The sum of the wall clock's jumps since then, in either direction. An agent counts from the
  // time that it got at its Hello, so it may be wrong by what was added later.
  std::int64_t jumps_ms() const { return jumps_ms_; }
  Deadlines<Timer>& timers() { return timers_; }
  const Deadlines<Timer>& timers() const { return timers_; }
  void SetTimer(TimerKind kind, std::int64_t delay_ms, std::string name = {}) {
    timers_.Set({kind, std::move(name)}, now_.mono_ms + delay_ms);
  }
  void CancelTimer(TimerKind kind, std::string name) { timers_.Cancel({kind, std::move(name)}); }
  // How long until `wall_ms`; 0 if it has passed.
  std::int64_t MsUntil(std::int64_t wall_ms) const;
  std::string NewUlid();

  void Put(Change change) { effects_.changes.push_back(std::move(change)); }
  void Perform(Action action) { effects_.actions.push_back(std::move(action)); }
  // For the log.
  void Warn(std::string text) { Perform(action::Note{std::move(text), true}); }
  void Reply(std::uint64_t request, Result<Answer> answer) {
    Perform(action::Reply{request, std::move(answer)});
  }
  // `evidence` is the signed Envelope that caused the event, if one did.
  void Audit(std::string type, std::string actor, std::string subject, std::string run,
             std::map<std::string, std::string> facts = {}, Bytes evidence = {});

 private:
  const Options options_;
  const Trust& trust_;
  Random& random_;
  Time now_;
  std::int64_t started_ms_ = -1;
  std::int64_t jumps_ms_ = 0;
  std::int64_t offset_ms_ = 0;  // of the wall clock from the monotonic one
  Deadlines<Timer> timers_;
  Effects effects_;
};

}  // namespace holdfast::controller
