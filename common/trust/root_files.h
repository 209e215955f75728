// Root documents that a person hands over in files, because the controller cannot be reached.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/trust/root_document.h"

namespace holdfast::trust {

struct RootFile {
  std::string path;
  RootDocument root;  // not yet compared with a trusted document
};

// Reads the files, and sorts them by version. kCorrupt or kDenied, naming the path, for a file that
// is not a root document or that its own persons have not signed.
Result<std::vector<RootFile>> ReadRootFiles(const std::vector<std::string>& paths);

// The document in `file`, if it is the verified next version after `pinned`. nullopt if it is
// `pinned`, or claims to be an earlier version of the same cluster, which cannot be verified and
// has no effect. kDenied if it belongs to another cluster, has the version of `pinned` but differs
// from it, does not follow `pinned`, or if a version in between is missing.
Result<std::optional<RootDocument>> NextRootFrom(const RootFile& file, const RootDocument& pinned,
                                                 WallTime now);

}  // namespace holdfast::trust
