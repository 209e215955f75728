// Root documents that a person hands over in files, because the controller cannot be reached.
#pragma once

#include <string>
#include <vector>

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

}  // namespace holdfast::trust
