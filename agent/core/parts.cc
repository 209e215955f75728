#include "agent/core/parts.h"

#include <algorithm>
#include <utility>

namespace holdfast::agent {
namespace {

// No snapshot write is waited for longer, so none lands later.
constexpr std::int64_t kWriteMaxMs = 60'000;

TaskKey KeyOf(const UncomposedPartRecord& part) { return {part.plan_id, part.task}; }

// `One` is a Task or a SealedRecord.
template <typename One>
std::string SealedKey(const One& one) {
  return one.run + "\n" + one.source + "\n" + one.repository;
}

bool IsOfSource(const UncomposedPartRecord& part, const Task& task) {
  return part.run == task.run && part.source == task.source && part.repository == task.repository;
}

}  // namespace

Parts::Parts(const Loaded& loaded, StepContext& step) : step_(step) {
  for (const UncomposedPartRecord& record : loaded.parts) parts_[KeyOf(record)] = record;
  if (step_.HasBug(PlantedBug::kForgetSealed)) return;
  for (const SealedRecord& record : loaded.sealed) sealed_[SealedKey(record)] = record;
}

void Parts::Start() {
  Hold();
  for (const auto& [name, sealed] : sealed_) {
    landing_[sealed.run] = step_.now.boot_ms + kWriteMaxMs;
    step_.SetTimer(TimerKind::kLanding, kWriteMaxMs, sealed.run);
  }
}

void Parts::Hold() {
  holding_.clear();
  if (!step_.HasBug(PlantedBug::kForgetParts)) {
    for (const auto& [key, part] : parts_) holding_.push_back(part);
  }
  step_.Perform(action::HoldParts{holding_});
}

void Parts::Handle(const event::PartsHeld& event) {
  if (event.error) {
    step_.Warn("the locks of parts that wait for their snapshot could not be taken: " +
               event.error->message);
    step_.SetTimer(TimerKind::kHold, step_.options.hold_retry_ms);
    return;
  }
  is_held_ = true;
  // Some parts may have been released while their locks were being taken.
  for (const UncomposedPartRecord& part : std::exchange(holding_, {})) {
    if (!Has(KeyOf(part))) Release(part);
  }
}

const UncomposedPartRecord* Parts::FindPart(const Task& task) const {
  const UncomposedPartRecord* found = nullptr;
  for (const auto& [key, part] : parts_) {
    if (!IsOfSource(part, task)) continue;
    found = &part;
    if (key == task.key) break;
  }
  return found;
}

const SealedRecord* Parts::FindSealed(const Task& task) const {
  auto found = sealed_.find(SealedKey(task));
  return found == sealed_.end() ? nullptr : &found->second;
}

bool Parts::MayLand(const std::string& run) const {
  auto landing = landing_.find(run);
  return landing != landing_.end() && step_.now.boot_ms < landing->second;
}

void Parts::Add(UncomposedPartRecord record) {
  step_.Put(record);
  parts_[KeyOf(record)] = std::move(record);
}

void Parts::Seal(SealedRecord record) {
  step_.Put(record);
  sealed_[SealedKey(record)] = std::move(record);
}

std::vector<UncomposedPartRecord> Parts::TakeComposed(const Task& task) {
  if (sealed_.erase(SealedKey(task)) > 0)
    step_.Put(RemoveSealed{task.run, task.source, task.repository});
  const bool may_land =
      std::ranges::any_of(sealed_, [&](const auto& one) { return one.second.run == task.run; });
  // A write from before a crash is of this same snapshot, so it no longer matters when it lands.
  if (!may_land && landing_.erase(task.run) > 0) step_.CancelTimer(TimerKind::kLanding, task.run);
  std::vector<UncomposedPartRecord> taken;
  std::erase_if(parts_, [&](const auto& one) {
    // A compose order owns only its own record. A local source's parts are all in the snapshot.
    const bool is_taken =
        task.scope == BackupScope::kOnlyPart ? IsOfSource(one.second, task) : one.first == task.key;
    if (!is_taken) return false;
    step_.Put(RemovePart{one.first.plan_id, one.first.task});
    taken.push_back(one.second);
    return true;
  });
  return taken;
}

void Parts::Release(const UncomposedPartRecord& part) {
  step_.Perform(action::ReleasePart{KeyOf(part), part.repository});
}

void Parts::ReleaseIf(const std::function<bool(const UncomposedPartRecord&)>& predicate) {
  std::erase_if(parts_, [&](const auto& one) {
    if (!predicate(one.second)) return false;
    step_.Put(RemovePart{one.first.plan_id, one.first.task});
    Release(one.second);
    return true;
  });
}

void Parts::ForgetPlan(const Bytes& plan_id) {
  std::erase_if(parts_, [&](const auto& one) {
    if (one.first.plan_id != plan_id) return false;
    Release(one.second);
    return true;
  });
}

void Parts::RemoveSealedOf(const std::string& run) {
  std::erase_if(sealed_, [&](const auto& one) {
    if (one.second.run != run) return false;
    step_.Put(RemoveSealed{one.second.run, one.second.source, one.second.repository});
    return true;
  });
}

}  // namespace holdfast::agent
