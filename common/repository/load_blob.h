// Loads blobs that something in the repository refers to.
#pragma once

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

// Loads a blob that a tree or snapshot refers to. Its absence is damage: kCorrupt, with a hint.
Result<Bytes> LoadNeededBlob(Repository& repository, BlobType type, const Id& id);

}  // namespace holdfast::repository
