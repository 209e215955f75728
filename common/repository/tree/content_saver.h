// Stores a reader's content as blobs.
#pragma once

#include <memory>
#include <optional>

#include "common/base/result.h"
#include "common/repository/store/blob_writer.h"
#include "common/repository/store/keys.h"
#include "common/stream/item.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct SavedContent {
  std::shared_ptr<BlobIds> blobs;  // completed later; never null
  std::uint64_t bytes = 0;
  ByteReader::Outcome outcome;
  // Set if the reader failed; the other members then cover what was read before.
  std::optional<Error> unreadable;
};

// Saves one content at a time. Reads into one 10 MiB buffer while blobs are made from another.
class ContentSaver {
 public:
  // The writer must outlive it; `progress` may be null.
  ContentSaver(const Keys& keys, BlobWriter& writer, Progress* progress);
  ~ContentSaver();
  // Errors are the repository's, or kInvalidArgument for an invalid chunking.
  Result<SavedContent> Save(ByteReader& reader, const Chunking& chunking);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::repository
