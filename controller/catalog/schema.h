// The catalog's tables. What they mean and where each can be had again from: docs/catalog.md.
#pragma once

#include <span>
#include <string>

#include "common/database/connection.h"
#include "common/database/schema.h"

namespace holdfast::controller {

std::span<const Migration> CatalogMigrations();

// How a catalog is opened, by whom it is written and what helps when it is damaged.
DatabaseOptions CatalogOptions(std::string path);

}  // namespace holdfast::controller
