// The plans that the agent has stored for the restore helper. The agent's user owns the directory,
// so root believes nothing in it, follows no symlink, and touches nothing outside it.
#pragma once

#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::agent {

class PlanSpool {
 public:
  // Opens `restores` in the agent's directory. nullopt if the agent has never made it. kDenied if
  // one of both is a symlink, or belongs to different users.
  static Result<std::optional<PlanSpool>> Open(const std::string& state_dir);

  // The name of the oldest file "*.plan" that the agent's user has written; nullopt without one. Ignores everything else, such as FIFOs. Memory does not grow with the directory.
  Result<std::optional<std::string>> Oldest() const;
  // kNotFound if the agent has withdrawn it; kInvalidArgument if it is larger than a ticket may be.
  Result<Bytes> Read(const std::string& name) const;
  // No error if it is gone.
  Result<void> Remove(const std::string& name) const;
  std::string PathOf(const std::string& name) const { return shown_ + "/" + name; }

 private:
  PlanSpool(Fd directory, uid_t owner, std::string shown)
      : directory_(std::move(directory)), owner_(owner), shown_(std::move(shown)) {}

  Fd directory_;
  uid_t owner_;
  std::string shown_;
};

}  // namespace holdfast::agent
