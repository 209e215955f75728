#include "agent/sources/source.h"

#include <algorithm>

namespace holdfast {

std::string_view TopologyName(Topology topology) {
  switch (topology) {
    case Topology::kLocal:
      return "local";
    case Topology::kReplicated:
      return "replicated";
    case Topology::kSharded:
      return "sharded";
  }
  return "local";
}

bool SourceKind::HasScope(BackupScope scope) const {
  return std::ranges::find(scopes, scope) != scopes.end();
}

Result<std::string> Source::RecoverRestore(std::string_view /*state*/) {
  return Fail(ErrorCode::kUnsupported, "this kind of source has no restore in place to finish");
}

Result<SpecialRestore> Source::RestoreSpecial(const RestoreSpec& /*spec*/, Progress& /*progress*/,
                                              std::stop_token /*stop*/) {
  return Fail(ErrorCode::kUnsupported, "this kind of source has no other way of restoring",
              "restore to a directory (--to DIR) or in place (--in-place)");
}

}  // namespace holdfast
