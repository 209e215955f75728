// Selects a restore method and its option values by the options of a restore.
#pragma once

#include <vector>

#include "agent/jobs/restore/restore_options.h"
#include "agent/sources/source.h"

namespace holdfast::jobs {

struct MethodChoice {
  const RestoreMethod* method = nullptr;
  config::Values options;
};

// REQUIRES: options.mode is kInPlace or kMethod. kUnsupported if `kind` has no method of that mode,
// with a hint that names the methods it has. kInvalidArgument if the options do not select exactly
// one method, belong to another method or kind, or have an invalid value. kDenied if a fixed option
// is given. `kinds` are all kinds, for messages.
Result<MethodChoice> ChooseRestoreMethod(const RestoreOptions& options, const SourceKind& kind,
                                         const std::vector<SourceKind>& kinds);

}  // namespace holdfast::jobs
