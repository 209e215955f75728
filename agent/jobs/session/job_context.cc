#include "agent/jobs/session/job_context.h"

#include <algorithm>
#include <utility>

#include "common/base/wait.h"

namespace holdfast::jobs {

const SourceKind* JobContext::FindKind(std::string_view kind) const {
  auto found = std::ranges::find(*kinds, kind, &SourceKind::kind);
  return found == kinds->end() ? nullptr : &*found;
}

std::string_view JobContext::OriginalRoot(std::string_view kind) const {
  const SourceKind* known = kind.empty() ? nullptr : FindKind(kind);
  return known == nullptr ? std::string_view() : known->original_root;
}

repository::LockOptions JobContext::OwnLockOptions() const {
  repository::LockOptions options = lock_options;
  if (settings != nullptr) options.own_locks = settings->state_dir + "/locks";
  return options;
}

void JobContext::Wait(std::chrono::milliseconds time) const {
  if (lock_options.wait) return lock_options.wait(time);
  (void)WaitFor(time, stop);
}

std::optional<crypto::ScryptParameters> JobContext::ScryptOf(bool is_random_password) const {
  if (scrypt || !is_random_password) return scrypt;
  return crypto::ScryptParameters{.n = 32768, .r = 8, .p = 1};
}

KindSchemas SchemasOf(const std::vector<SourceKind>& kinds) {
  KindSchemas schemas;
  for (const SourceKind& kind : kinds) schemas.emplace(kind.kind, kind.options);
  return schemas;
}

KindMethods TargetMethodsOf(const std::vector<SourceKind>& kinds) {
  KindMethods all;
  for (const SourceKind& kind : kinds) {
    std::vector<config::MethodSchema> methods = kind.MethodSchemas();
    std::erase_if(methods, &config::MethodSchema::is_in_place);
    if (!methods.empty()) all.emplace(kind.kind, std::move(methods));
  }
  return all;
}

ObservedProgress::ObservedProgress(const JobContext& context, std::string subject)
    : context_(context), subject_(std::move(subject)) {
  if (context_.observer != nullptr) context_.observer->Begin(subject_, progress_);
}

ObservedProgress::~ObservedProgress() {
  if (context_.observer != nullptr) context_.observer->End(subject_);
}

void PhaseTimer::Begin(const std::string& phase, Progress& progress) {
  End();
  phase_ = phase;
  begin_ = clock_.Monotonic();
  progress.SetPhase(phase);
}

void PhaseTimer::End() {
  if (phase_.empty()) return;
  std::chrono::duration<double> taken = clock_.Monotonic() - begin_;
  seconds_[phase_] += taken.count();
  phase_.clear();
}

std::string_view TaskOutcomeName(TaskOutcome outcome) {
  switch (outcome) {
    case TaskOutcome::kDone:
      return "done";
    case TaskOutcome::kPartlyDone:
      return "partly done";
    case TaskOutcome::kInvalid:
      return "invalid";
    case TaskOutcome::kFailed:
      return "failed";
    case TaskOutcome::kRefused:
      return "refused";
    case TaskOutcome::kCancelled:
      return "cancelled";
  }
  return "failed";
}

TaskOutcome OutcomeOfError(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kCancelled:
      return TaskOutcome::kCancelled;
    case ErrorCode::kBusy:
    case ErrorCode::kDenied:
      return TaskOutcome::kRefused;
    default:
      return TaskOutcome::kFailed;
  }
}

}  // namespace holdfast::jobs
