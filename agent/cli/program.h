// Runs holdfast-agent from arguments to exit code. All dependencies are passed in, so tests can run
// whole verbs.
#pragma once

#include <string>
#include <vector>

#include "agent/cli/program_context.h"

namespace holdfast::cli {

// `argv` without the program's name. Sets up logging. Returns the exit code.
int RunAgent(const std::vector<std::string>& argv, const ProgramContext& context);

}  // namespace holdfast::cli
