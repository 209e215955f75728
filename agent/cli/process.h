// The agent as a process: its environment, clock, terminal and signals around RunAgent().
#pragma once

#include <vector>

#include "agent/sources/source.h"

namespace holdfast::cli {

// What main() does, with the kinds of source that this program knows. Returns the exit code.
int RunAgentProcess(int argc, char** argv, const std::vector<SourceKind>& kinds);

}  // namespace holdfast::cli
