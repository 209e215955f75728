// The catalog's tables. What they mean and where each can be recovered from: docs/catalog.md.
#pragma once

#include <span>
#include <string>

#include "common/database/schema.h"

namespace holdfast::controller {

std::span<const Migration> CatalogMigrations();

// Options for opening a catalog, with the name of its writer and the hint for a damaged file.
DatabaseOptions CatalogOptions(std::string path);

}  // namespace holdfast::controller
