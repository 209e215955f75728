#include "agent/jobs/backup/held_parts.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"

namespace holdfast::jobs {
namespace {

Result<HeldPart> Hold(const JobContext& context, const UncomposedPart& part) {
  const RepositorySettings* repository = context.settings->FindRepository(part.repository);
  if (repository == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("repository {} is no longer configured", Quote(part.repository)),
                "add it to agent.yaml again until the run has ended");
  }
  HF_ASSIGN(auto session,
            RepositorySession::Open(context, AddressOf(*repository), LockUse::kBeforeOthers));
  return HeldPart{std::move(session)};
}

// The next lock of the repository would do the same, but it may be a long time off, and dead locks
// block a prune.
void ClearDeadLocks(const JobContext& context, const RepositorySettings& repository) {
  auto session = RepositorySession::Open(context, AddressOf(repository), LockUse::kNone);
  Result<unsigned> removed =
      session ? repository::RemoveOwnDeadLocks((*session)->repository(), context.OwnLockOptions())
              : Fail(std::move(session).error());
  if (!removed) {
    context.Note(repository.name, "cannot look for stale locks: " + removed.error().message());
  } else if (*removed > 0) {
    context.Note(repository.name,
                 fmt::format("removed {} of this host", FormatCount(*removed, "dead lock")));
  }
}

}  // namespace

void HeldParts::Add(const std::string& key, HeldPart part) {
  HF_CHECK(part.repository != nullptr);
  std::lock_guard lock(mutex_);
  std::swap(parts_[key], part);
}

bool HeldParts::Has(const std::string& key) const {
  std::lock_guard lock(mutex_);
  return parts_.contains(key);
}

std::vector<Error> HeldParts::TakeUp(const JobContext& context,
                                     const std::vector<UncomposedPart>& parts) {
  std::vector<Error> failed;
  for (const UncomposedPart& part : parts) {
    if (Has(part.key)) continue;
    Result<HeldPart> held = Hold(context, part);
    if (held) {
      Add(part.key, *std::move(held));
    } else {
      failed.push_back(
          std::move(held).error().While(fmt::format("hold the part of {}", Quote(part.source))));
    }
  }
  for (const RepositorySettings& repository : context.settings->repositories) {
    bool has_parts =
        std::ranges::find(parts, repository.name, &UncomposedPart::repository) != parts.end();
    if (!has_parts) ClearDeadLocks(context, repository);
  }
  return failed;
}

bool HeldParts::Release(const std::string& key) {
  std::map<std::string, HeldPart>::node_type released;  // destroyed after the mutex is unlocked
  std::lock_guard lock(mutex_);
  released = parts_.extract(key);
  return !released.empty();
}

std::size_t HeldParts::size() const {
  std::lock_guard lock(mutex_);
  return parts_.size();
}

}  // namespace holdfast::jobs
