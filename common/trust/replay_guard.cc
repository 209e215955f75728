#include "common/trust/replay_guard.h"

#include <algorithm>

#include "common/base/result.h"
#include "common/trust/orders.h"

namespace holdfast::trust {

ReplayVerdict KnownPlans::Judge(const crypto::KeyId& controller_key, ByteView plan_id,
                                std::uint64_t sequence, const crypto::Digest& hash) const {
  auto known = records_.find(std::string(AsText(plan_id)));
  if (known != records_.end()) {
    return known->second.hash == hash ? ReplayVerdict::kKnown : ReplayVerdict::kOtherBytes;
  }
  if (sequences_.contains({controller_key, sequence})) return ReplayVerdict::kOtherBytes;
  auto floor = floors_.find(controller_key);
  if (floor != floors_.end() && sequence <= floor->second) return ReplayVerdict::kBelowFloor;
  return ReplayVerdict::kNew;
}

void KnownPlans::Add(Record record) {
  const ReplayVerdict verdict =
      Judge(record.controller_key, AsBytes(record.plan_id), record.sequence, record.hash);
  HF_CHECK(verdict == ReplayVerdict::kNew || verdict == ReplayVerdict::kKnown);
  sequences_.emplace(record.controller_key, record.sequence);
  std::string id = record.plan_id;
  records_.emplace(std::move(id), std::move(record));
}

void KnownPlans::RaiseFloor(const crypto::KeyId& controller_key, std::uint64_t floor) {
  std::uint64_t& present = floors_[controller_key];
  present = std::max(present, floor);
}

std::size_t KnownPlans::Forget(WallTime now) {
  const std::int64_t kept_ms = (kPlanLifeMax + kClockAllowance).count();
  return std::erase_if(records_, [&](const auto& entry) {
    const Record& record = entry.second;
    if (UnixMilliseconds(now) - kept_ms <= record.expires_at_ms) return false;
    RaiseFloor(record.controller_key, record.sequence);
    sequences_.erase({record.controller_key, record.sequence});
    return true;
  });
}

}  // namespace holdfast::trust
