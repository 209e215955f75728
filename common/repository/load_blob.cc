#include "common/repository/load_blob.h"

#include <utility>

namespace holdfast::repository {

Result<Bytes> LoadNeededBlob(Repository& repository, BlobType type, const Id& id) {
  Result<Bytes> blob = repository.LoadBlob(type, id);
  if (blob || blob.error().code() != ErrorCode::kNotFound) return blob;
  return Fail(ErrorCode::kCorrupt, std::move(blob).error().message(),
              "the repository is damaged; `holdfast-agent check` lists everything that is missing");
}

}  // namespace holdfast::repository
