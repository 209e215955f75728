#include "agent/sources/restore_scope.h"

#include "common/base/format.h"

namespace holdfast {

Result<RestoreScope> RestoreScope::Of(const std::string& path, const std::string& prefix) {
  if (path.empty()) return RestoreScope();
  if (path == prefix) return RestoreScope("/");
  if (path.starts_with(prefix + "/")) return RestoreScope(path.substr(prefix.size()));
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} of the snapshot is not restored in place; expected a path below {}",
                          Quote(path), Quote(prefix)),
              "restore it to a directory: --to DIR --path PATH");
}

}  // namespace holdfast
