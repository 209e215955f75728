#include "tests/unit/catalog/edit.h"

#include <sqlite3.h>

#include "tests/support/catch.h"

namespace holdfast::controller {

void Edit(const TempDir& directory, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(PathIn(directory).c_str(), &database) == SQLITE_OK);
  REQUIRE(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_close(database) == SQLITE_OK);
}

}  // namespace holdfast::controller
