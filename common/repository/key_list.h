// Who may open a repository: its keys, each the master key under a password of its own. The master
// key itself never changes. Format: docs/repository-format.md#key.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

struct KeyInfo {
  Id id;
  WallTime created;  // by the clock of who made it; 1970 where the file does not say
  std::string user;
  std::string host;
  bool is_in_use = false;  // the repository was opened with it
};

// Ascending by the time they were made. kCorrupt names a broken file.
Result<std::vector<KeyInfo>> ListKeys(Repository& repository);

// By the beginning of an id. kNotFound; kInvalidArgument when several begin so.
Result<KeyInfo> FindKey(const std::vector<KeyInfo>& keys, std::string_view beginning);

// Another key, proven to open the repository before this returns. kDenied where there are as many
// as opening tries already; kInvalidArgument for an empty password. Needs a lock held by the
// caller, a shared one will do.
Result<Id> AddKey(Repository& repository, const Secret& password, const InitOptions& options);

// kDenied for the last one; kNotFound. Needs an exclusive lock held by the caller.
Result<void> RemoveKey(Repository& repository, const Id& key);

}  // namespace holdfast::repository
