// The list of holdfast-agent's verbs. A new verb is one file here and one line in all_verbs.cc.
#pragma once

#include <vector>

#include "agent/cli/agent_verb.h"

namespace holdfast::cli {

// In the order of --help.
std::vector<VerbEntry> AllVerbs();

}  // namespace holdfast::cli
