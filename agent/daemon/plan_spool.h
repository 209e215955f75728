// The plans that the agent has stored for the restore helper. The agent's user owns the directory,
// so root trusts nothing in it, follows no symlink, and touches nothing outside it.
#pragma once

#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::agent {

class PlanSpool {
 public:
  // Opens `restores` in the agent's directory. nullopt if the agent has never created it. kDenied
  // if one of the two directories is a symlink, or if they belong to different users.
  static Result<std::optional<PlanSpool>> Open(const std::string& state_dir);

  // The name of the oldest file "*.plan" that belongs to the agent's user; nullopt if no such file
  // exists. Ignores everything else, such as FIFOs. Memory does not grow with the directory.
  Result<std::optional<std::string>> Oldest() const;
  // kNotFound if the agent has withdrawn the plan; kInvalidArgument if it is larger than 4 MiB.
  Result<Bytes> Read(const std::string& name) const;
  // No error if the file does not exist.
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
