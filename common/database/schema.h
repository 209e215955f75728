// Creates and upgrades the tables of a database file, in numbered steps that only go forward.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/database/database.h"

namespace holdfast {

// One step, as SQL without transaction commands. It never changes once released. All tables are
// STRICT, so that columns only hold their declared type.
struct Migration {
  std::string_view name;
  std::string_view script;
};

struct MigrationOutcome {
  int from = 0;  // 0: the file was empty
  int to = 0;
  std::string copy;  // of the file before the upgrade; empty if none was needed
};

// Upgrades a writer's database to version migrations.size(). Each step has its own transaction,
// which also sets user_version. Before the first one, leaves a checked copy of the file at
// "<path>.v<version>", unless it was empty. Safe to repeat after a crash. kUnsupported for a file
// of a newer version; kCorrupt when a step leaves dangling foreign keys.
Result<MigrationOutcome> Migrate(Database& writer, std::span<const Migration> migrations);

// For readers: kUnsupported unless the file has exactly the version that this program supports.
Result<void> CheckVersion(Database& connection, std::span<const Migration> migrations);

}  // namespace holdfast
