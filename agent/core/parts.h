// Parts that are not in a snapshot yet, snapshots that are sealed but not written yet, and the
// repository locks that protect both. Knows only StepContext and Task.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/core/events.h"
#include "agent/core/records.h"
#include "agent/core/step_context.h"
#include "agent/core/task.h"
#include "common/base/bytes.h"

namespace holdfast::agent {

class Parts {
 public:
  Parts(const Loaded& loaded, StepContext& step);

  void Start();
  // Takes the locks of all parts -> PartsHeld.
  void Hold();
  void Handle(const event::PartsHeld& event);
  bool is_held() const { return is_held_; }

  bool Has(const TaskKey& key) const { return parts_.contains(key); }
  // The task's part, or that of an earlier round of its run; null without one.
  const UncomposedPartRecord* FindPart(const Task& task) const;
  const SealedRecord* FindSealed(const Task& task) const;
  // Whether a snapshot write of the run from before a crash may still land.
  bool MayLand(const std::string& run) const;

  void Add(UncomposedPartRecord record);
  void Seal(SealedRecord record);
  // The snapshot of `task` exists: removes its sealed record, and removes and returns the parts
  // that need no lock any more. The caller releases them once the outcome is reported.
  std::vector<UncomposedPartRecord> TakeComposed(const Task& task);
  void Release(const UncomposedPartRecord& part);
  // Removes the parts for which `predicate` is true, and releases their locks.
  void ReleaseIf(const std::function<bool(const UncomposedPartRecord&)>& predicate);
  // The plan's records are gone from the journal: releases the locks of its parts.
  void ForgetPlan(const Bytes& plan_id);
  void RemoveSealedOf(const std::string& run);

 private:
  StepContext& step_;
  std::map<TaskKey, UncomposedPartRecord> parts_;
  std::map<std::string, SealedRecord> sealed_;  // by run, source and repository
  // Runs with a snapshot write from before a crash that may still land, and until when (boot
  // clock).
  std::map<std::string, std::int64_t> landing_;
  bool is_held_ = false;                       // the parts' locks are held
  std::vector<UncomposedPartRecord> holding_;  // parts whose locks are being taken
};

}  // namespace holdfast::agent
