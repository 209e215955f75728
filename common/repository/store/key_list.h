// A repository's keys: each is the master key, sealed with its own password. The master key itself
// never changes. Format: docs/repository-format.md#key.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/repository/store/repository.h"

namespace holdfast::repository {

struct KeyInfo {
  Id id;
  WallTime created;  // by its creator's clock; 1970 if the file does not say
  std::string user;
  std::string host;
  bool is_in_use = false;  // the repository was opened with it
};

// Ascending by creation time. kCorrupt names a broken file.
Result<std::vector<KeyInfo>> ListKeys(Repository& repository);

// Finds a key by the beginning of its id. kNotFound; kInvalidArgument if several match.
Result<KeyInfo> FindKey(const std::vector<KeyInfo>& keys, std::string_view beginning);

// Adds a key and verifies that it opens the repository. kDenied if there are as many keys as
// opening tries; kInvalidArgument for an empty password. The caller must hold a lock, at least a
// shared one.
Result<Id> AddKey(Repository& repository, const Secret& password, const InitOptions& options);

// kDenied for the last key; kNotFound. The caller must hold an exclusive lock.
Result<void> RemoveKey(Storage& storage, const Id& key);

}  // namespace holdfast::repository
