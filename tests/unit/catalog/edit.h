// Changes a catalog's file with SQLite itself, like a user who edits it by hand.
#pragma once

#include <string>

#include "tests/unit/catalog/records.h"

namespace holdfast::controller {

void Edit(const TempDir& directory, const std::string& sql);

}  // namespace holdfast::controller
