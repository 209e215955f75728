// `holdfast`, the operators' program: from arguments to an exit code. Everything it touches is
// passed in, so that tests can run all of it.
#pragma once

#include <string>
#include <vector>

#include "controller/cli/operator_context.h"

namespace holdfast::cli {

// `argv` without the program's name. Returns the exit code.
int RunOperator(const std::vector<std::string>& argv, const OperatorContext& context);

}  // namespace holdfast::cli
