// A check for restore methods that create a service's data directory.
#pragma once

#include <string>

#include "common/base/result.h"

namespace holdfast {

// Succeeds if `directory` does not exist or is empty, so that a restore overwrites nothing.
// kAlreadyExists otherwise; `hint` says what to do with the old content.
Result<void> CheckNewDirectory(const std::string& directory, const std::string& hint);

}  // namespace holdfast
