#include "common/repository/maintain/index_rewrite.h"

#include <algorithm>
#include <utility>

#include "common/base/crash_point.h"
#include "common/repository/format/index_file.h"

namespace holdfast::repository {

Result<std::vector<Id>> IndexRewrite::List() {
  HF_ASSIGN(std::vector<Id> files, repository_.files().List(FileKind::kIndex));
  std::ranges::sort(files);
  return files;
}

Result<void> IndexRewrite::Keep(PackContents contents) {
  kept_blobs_ += contents.blobs.size();
  kept_.push_back(std::move(contents));
  return kept_blobs_ < kIndexBlobsMax ? Result<void>{} : Write();
}

Result<void> IndexRewrite::Write() {
  if (kept_.empty()) return {};
  HF_TRY(repository_.index().Save(kept_, WhileHeld(lock_)));
  ++files_written_;
  kept_.clear();
  kept_blobs_ = 0;
  return {};
}

Result<void> IndexRewrite::RemoveReplaced() {
  for (const Id& file : replaced_) {
    const Result<void> removed =
        repository_.storage().RemoveIfPermitted({FileKind::kIndex, file.Hex()}, WhileHeld(lock_));
    if (!removed && removed.error().code() != ErrorCode::kNotFound) return removed;
    ++files_removed_;
    CrashPoint("repository.index.after_remove");
  }
  return {};
}

}  // namespace holdfast::repository
