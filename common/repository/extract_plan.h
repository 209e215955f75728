// What an extraction will do, found out before it does anything.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/filetree/existing_tree.h"
#include "common/repository/repository.h"
#include "common/repository/selected_tree.h"
#include "common/stream/progress.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::repository {

// Whether what is there may give way to what the snapshot has.
bool MayReplace(Overwrite overwrite, const Attributes& saved, const struct stat& there);
// Whether the file there is taken to have the snapshot's content without being read.
bool IsTrusted(Overwrite overwrite, const Attributes& saved, const struct stat& there);
// Why a directory that is not empty stays where the snapshot has something else.
Error DirectoryInTheWay(const std::string& shown);

// A directory that is in the snapshot and was there before.
struct DirectoryThere {
  std::string path;
  std::string target;
  Id tree;
  bool is_outside = false;
};
// Calls `visit` for each entry of these directories that an extraction removes at its end: what the
// snapshot does not have, if that was asked for, and what an interrupted one left half written.
Result<void> VisitOthers(
    Repository& repository, const PathFilter& filter, filetree::ExistingTree& existing,
    const ExtractOptions& options, const std::vector<DirectoryThere>& directories,
    const std::function<Result<void>(const std::string& target, bool is_part)>& visit);

// How much there is to write, into `progress`; kNoSpace when the file system of the directory `top`
// has no room for it. What is damaged is left out.
Result<void> CheckRoom(Repository& repository, SelectedTree& tree, int top,
                       const std::string& directory, const ExtractOptions& options,
                       Progress& progress, const std::stop_token& stop);

// Tells `options.on_change` all that would be changed, and changes nothing. The directory need not
// be there. What would not be restored ends it with the error it would.
Result<ExtractOutcome> DryRun(Repository& repository, SelectedTree& tree,
                              const std::string& directory, const ExtractOptions& options,
                              Progress& progress, const std::stop_token& stop);

}  // namespace holdfast::repository
