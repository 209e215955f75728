// How a database file gets its tables, and how an older one becomes a newer one: numbered steps
// that only go forward.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/database/connection.h"

namespace holdfast {

// One step, as SQL without transaction commands. Once released it never changes. All tables are
// STRICT, so that a column holds what it says.
struct Migration {
  std::string_view name;
  std::string_view script;
};

struct MigrationOutcome {
  int from = 0;  // 0: the file was empty
  int to = 0;
  std::string copy;  // of the file as it was before; empty when nothing was to be done
};

// Brings a writer's database to version migrations.size(), each step in a transaction of its own
// that also sets user_version, and before the first one leaves a checked copy of the file at
// "<path>.v<version>". Safe to repeat after a crash. kUnsupported for a file of a newer version;
// kCorrupt when a step leaves foreign keys that point nowhere.
Result<MigrationOutcome> Migrate(Connection& writer, std::span<const Migration> migrations);

// For readers: kUnsupported unless the file has exactly the version that this program knows.
Result<void> CheckVersion(Connection& connection, std::span<const Migration> migrations);

}  // namespace holdfast
