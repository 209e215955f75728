// Puts a snapshot, or some paths of it, into a directory.
#pragma once

#include <stop_token>
#include <string>

#include "common/base/result.h"
#include "common/repository/repository_view.h"

namespace holdfast::repository {

// SnapshotView::Extract. A file or directory that is damaged in the repository does not stop the
// rest: all else is written, nothing is removed, then the outcome is kCorrupt and names what is not
// there.
Result<ExtractOutcome> ExtractFromView(Repository& repository, RepositoryView& view,
                                       const std::string& directory, const ExtractOptions& options,
                                       Progress& progress, std::stop_token stop);

}  // namespace holdfast::repository
