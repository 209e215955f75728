// Copies a database, and checks one for damage.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/database/database.h"

namespace holdfast {

enum class CheckDepth : std::uint8_t {
  kQuick,  // structure of every table
  kFull,   // also that indexes agree with their tables
};

// Describes the damage to the file, one line each, at most 20; empty if undamaged. Includes
// dangling foreign keys. Returns an Error only if the check could not run.
Result<std::vector<std::string>> FindDamage(Database& connection, CheckDepth depth);

// Copies the state of the database at one moment to the new file `to`, mode 0600, without a
// separate WAL, and checks the copy before it gets its name. Writers continue during the copy; with
// the writer's own connection they wait. kAlreadyExists if `to` exists; kCancelled when stopped.
// REQUIRES: `from` has no transaction open.
Result<void> CopyDatabase(Database& from, const std::string& to, const std::stop_token& stop = {});

}  // namespace holdfast
