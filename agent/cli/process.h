// The agent as a process: calls RunAgent() with the real environment, clock, terminal and signals.
#pragma once

#include <vector>

#include "agent/sources/source.h"

namespace holdfast::cli {

// The implementation of main(). `kinds` are the kinds of source of this program. Returns the exit
// code.
int RunAgentProcess(int argc, char** argv, const std::vector<SourceKind>& kinds);

}  // namespace holdfast::cli
