// How the program ends. Table: docs/errors.md#exit-codes.
#pragma once

#include <vector>

#include "common/base/result.h"

namespace holdfast::cli {

enum ExitCode : int {
  kExitDone = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitPartlyDone = 3,
  kExitRefused = 4,
  kExitUnreachable = 5,
  kExitInterrupted = 130,
};

// `began`: something had been done when the error came, so that "unreachable" is a failure.
int ExitCodeOf(const Error& error, bool began = false);

// Of several things that ended each in its own way: all alike is that, some good is partly done.
int CombineExitCodes(const std::vector<int>& codes);

}  // namespace holdfast::cli
