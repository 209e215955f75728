// Which restore method the options of a restore choose, and their values.
#pragma once

#include <vector>

#include "agent/jobs/restore_job.h"
#include "agent/sources/source.h"

namespace holdfast::jobs {

struct MethodChoice {
  const RestoreMethod* method = nullptr;
  config::Values options;
};

// REQUIRES: options.mode is kInPlace or kMethod. kUnsupported with a hint that names the methods of
// `kind` if it has no method of that mode; kInvalidArgument for options that do not choose exactly
// one method, that belong to another method or kind, or whose value is wrong; kDenied for options
// that are fixed and given. `kinds` are all kinds, for messages.
Result<MethodChoice> ChooseRestoreMethod(const RestoreOptions& options, const SourceKind& kind,
                                         const std::vector<SourceKind>& kinds);

}  // namespace holdfast::jobs
