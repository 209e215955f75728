// Where a kind's own restore makes a service's data directory.
#pragma once

#include <string>

#include "common/base/result.h"

namespace holdfast {

// `directory` is not there yet, or is a directory with nothing in it; what lies there is nobody's
// to write over. kAlreadyExists otherwise, with `hint`: what to do with the old one.
Result<void> CheckNewDirectory(const std::string& directory, const std::string& hint);

}  // namespace holdfast
