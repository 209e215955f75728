// The kinds of source this agent knows, in the order in which help shows them.
#pragma once

#include <string_view>
#include <vector>

#include "agent/sources/source.h"

namespace holdfast {

const std::vector<SourceKind>& AllSourceKinds();
// Null when there is no such kind.
const SourceKind* FindSourceKind(std::string_view kind);

}  // namespace holdfast
