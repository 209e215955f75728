// The option "on_missing": what a backup does if a file that the configuration names is missing.
#pragma once

#include <vector>

#include "common/base/result.h"
#include "common/config/schema.h"
#include "common/stream/manifest.h"

namespace holdfast {

// "warn" (the default): the backup is partly done and names the file. "fail": it fails.
config::OptionSpec OnMissingOption();
// Whether on_missing is "fail".
bool FailsOnMissing(const config::Values& values);
// kNotFound, naming the first of `missing`, unless the list is empty.
Result<void> FailIfMissing(const std::vector<Missing>& missing);

}  // namespace holdfast
