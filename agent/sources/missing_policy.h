// The option "on_missing": what becomes of a backup without a file that a configuration names.
#pragma once

#include <vector>

#include "common/base/result.h"
#include "common/config/schema.h"
#include "common/stream/manifest.h"

namespace holdfast {

// "warn", the default: it is partly done, and names the file; or "fail".
config::OptionSpec OnMissingOption();
// Whether `values` say "fail".
bool IsMissingFailure(const config::Values& values);
// kNotFound for the first of `missing`.
Result<void> RefuseMissing(const std::vector<Missing>& missing);

}  // namespace holdfast
