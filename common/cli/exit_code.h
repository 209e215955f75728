// Exit codes of the programs. Table: docs/errors.md#exit-codes.
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

// `began`: work had begun before the error, so that "unreachable" is a failure.
int ExitCodeOf(const Error& error, bool began = false);

// Interrupted if any is; the common code if all are equal; partly done if some are good; else
// failed.
int CombineExitCodes(const std::vector<int>& codes);

}  // namespace holdfast::cli
