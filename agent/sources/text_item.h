// Documents as items of a backup.
#pragma once

#include <string>

#include "common/base/clock.h"
#include "common/stream/item.h"

namespace holdfast {

// Of a document that the agent makes itself: this process's own, readable by nobody else, made at
// `time`. The size is for the caller to set.
Attributes DocumentAttributes(WallTime time);

// A file whose content is in memory; its size is the text's.
Item TextItem(std::string path, std::string text, const Attributes& attributes);

}  // namespace holdfast
