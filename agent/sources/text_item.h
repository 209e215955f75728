// Documents as items of a backup.
#pragma once

#include <string>

#include "common/stream/item.h"

namespace holdfast {

// A file whose content is in memory.
Item TextItem(std::string path, std::string text, const Attributes& attributes);

}  // namespace holdfast
