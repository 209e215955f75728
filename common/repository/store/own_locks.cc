#include "common/repository/store/own_locks.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast::repository {

std::string LocalLocks::PathOf(const Id& lock) const {
  return fmt::format("{}/{}-{}", directory_, repository_, lock.Hex());
}

std::optional<FileLock> LocalLocks::Remember(const Id& lock) const {
  if (directory_.empty()) return std::nullopt;
  Result<FileLock> held = FileLock::Acquire(PathOf(lock), fmt::format("pid {}", ::getpid()));
  if (!held || !SyncDirectory(directory_)) return std::nullopt;
  return *std::move(held);
}

void LocalLocks::Forget(const Id& lock) const {
  if (!directory_.empty()) (void)::unlink(PathOf(lock).c_str());
}

std::vector<Id> LocalLocks::DeadLocks() const {
  std::vector<Id> left;
  std::error_code failure;  // no locks are known then
  for (std::filesystem::directory_iterator at(directory_, failure), end; !failure && at != end;
       at.increment(failure)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(repository_ + "-")) continue;
    const Result<Id> lock = ParseId(std::string_view(name).substr(repository_.size() + 1));
    if (!lock) continue;
    const Result<bool> is_held = FileLock::IsHeld(at->path().string());
    if (is_held && !*is_held) left.push_back(*lock);
  }
  return left;
}

}  // namespace holdfast::repository
