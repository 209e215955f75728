// Finds out what an extraction will do, before it does anything.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/filetree/existing_tree.h"
#include "common/repository/snapshot/selected_tree.h"
#include "common/repository/store/blob_store.h"
#include "common/stream/progress.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::repository {

// Whether the existing object may be replaced.
bool MayReplace(Overwrite overwrite, const Attributes& saved, const struct stat& there);
// Whether the existing file is assumed to have the snapshot's content, without reading it.
bool IsTrusted(Overwrite overwrite, const Attributes& saved, const struct stat& there);
// The error for a nonempty directory where the snapshot has something else.
Error DirectoryInTheWay(const std::string& shown);

// A directory of the snapshot that existed before.
struct DirectoryThere {
  std::string path;
  std::string target;
  Id tree;
  bool is_outside = false;
};
// Calls `visit` for what an extraction removes from these directories at its end: entries that the
// snapshot does not have, if requested, and an interrupted extraction's partial files (`is_part`).
Result<void> VisitOthers(
    BlobStore& blobs, const PathFilter& filter, filetree::ExistingTree& existing,
    const ExtractOptions& options, const std::vector<DirectoryThere>& directories,
    const std::function<Result<void>(const std::string& target, bool is_part)>& visit);

// Sets the totals of `progress`. kNoSpace if the file system of the directory `top` has too little
// space or too few inodes. Damaged data does not count.
Result<void> CheckRoom(const Index& index, SelectedTree& tree, int top,
                       const std::string& directory, const ExtractOptions& options,
                       Progress& progress, const std::stop_token& stop);

// Reports all changes to `options.on_change`, and makes none. The directory need not exist. Fails
// with the extraction's error if something would not be restored.
Result<ExtractOutcome> DryRun(BlobStore& blobs, SelectedTree& tree, const std::string& directory,
                              const ExtractOptions& options, Progress& progress,
                              const std::stop_token& stop);

}  // namespace holdfast::repository
