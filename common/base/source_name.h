// Names of sources, and of the safety snapshots that in-place restores take of them.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// A safety snapshot of source "app" is saved as "app-before-restore". The separate name gives it a
// separate path, so that `restic forget` puts it into another group and `restic snapshots --latest
// 1` still shows the backup. No configured source may have such a name.
inline constexpr std::string_view kSafetySuffix = "-before-restore";

inline bool IsSafetyName(std::string_view name) {
  return name.size() > kSafetySuffix.size() && name.ends_with(kSafetySuffix);
}

inline std::string SafetyNameOf(std::string_view source_name) {
  return std::string(source_name) + std::string(kSafetySuffix);
}

}  // namespace holdfast
