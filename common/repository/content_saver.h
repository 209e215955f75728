// From a reader to blobs: reads, cuts, stores.
#pragma once

#include <memory>
#include <optional>

#include "common/base/result.h"
#include "common/repository/blob_writer.h"
#include "common/repository/repository.h"
#include "common/stream/item.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct SavedContent {
  std::shared_ptr<BlobIds> blobs;  // complete by and by; never null
  std::uint64_t bytes = 0;
  ByteReader::Outcome outcome;
  // Set when the reader failed: then the rest is what was read until then.
  std::optional<Error> unreadable;
};

// One at a time. Blobs are made of its buffers, two of 16 MiB, while it reads on.
class ContentSaver {
 public:
  // The writer and the repository must outlive it; `progress` may be null.
  ContentSaver(Repository& repository, BlobWriter& writer, Progress* progress);
  ~ContentSaver();
  // An error is the repository's, or kInvalidArgument for a chunking that there is not.
  Result<SavedContent> Save(ByteReader& reader, const Chunking& chunking);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::repository
