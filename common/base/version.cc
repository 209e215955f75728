#include "common/base/version.h"

#include "common/base/format.h"

namespace holdfast {

// Defined in a file that cmake/commit.cmake writes.
extern const char* const kBuildCommit;

std::string_view Version() { return HOLDFAST_VERSION; }

std::string_view Commit() { return kBuildCommit; }

std::string VersionText() { return fmt::format("{} (commit {})", Version(), Commit()); }

}  // namespace holdfast
