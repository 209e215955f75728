// The list of holdfast's verbs. A new verb is one file here and one line in all_verbs.cc.
#pragma once

#include <vector>

#include "controller/cli/operator_verb.h"

namespace holdfast::cli {

// In the order of --help.
std::vector<OperatorVerbEntry> AllOperatorVerbs();

}  // namespace holdfast::cli
