#include "controller/core/step_context.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "common/base/clock.h"
#include "common/base/ulid.h"

namespace holdfast::controller {
namespace {

// The step's time as a Clock.
class StepClock final : public Clock {
 public:
  explicit StepClock(const Time& now) : now_(now) {}
  WallTime Now() const override { return WallTime(std::chrono::milliseconds(now_.wall_ms)); }
  Instant Monotonic() const override { return Instant(std::chrono::milliseconds(now_.mono_ms)); }

 private:
  const Time now_;
};

}  // namespace

void StepContext::Begin(const Time& now) {
  HF_CHECK(now.mono_ms >= now_.mono_ms);
  now_ = now;
  const std::int64_t offset_ms = now.wall_ms - now.mono_ms;
  if (started_ms_ < 0) {
    started_ms_ = now.mono_ms;
  } else {
    jumps_ms_ += std::abs(offset_ms - offset_ms_);
  }
  offset_ms_ = offset_ms;
}

std::int64_t StepContext::MsUntil(std::int64_t wall_ms) const {
  return std::max<std::int64_t>(0, wall_ms - now_.wall_ms);
}

std::string StepContext::NewUlid() { return MakeUlid(StepClock(now_), random_); }

void StepContext::Audit(std::string type, std::string actor, std::string subject, std::string run,
                        std::map<std::string, std::string> facts, Bytes evidence) {
  Put(AuditEntry{now_.wall_ms, std::move(type), std::move(actor), std::move(subject),
                 std::move(run), std::move(facts), std::move(evidence)});
}

}  // namespace holdfast::controller
