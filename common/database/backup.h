// Copies of a database, and whether one is sound.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/database/connection.h"

namespace holdfast {

enum class CheckDepth : std::uint8_t {
  kQuick,  // structure of every table
  kFull,   // and that indexes agree with their tables
};

// What is wrong with the file, one line each, at most 20; empty when nothing is. Includes foreign
// keys that point nowhere. An Error only when it could not be looked at.
Result<std::vector<std::string>> FindDamage(Connection& connection, CheckDepth depth);

// Writes the database as it is at one moment to the new file `to`, mode 0600, in one piece without
// a WAL beside it, and checks the copy before it gets its name. While it copies, writers go on; on
// a writer's own connection they wait for it. kAlreadyExists when there is a file; kCancelled when
// stopped. REQUIRES: `from` has no transaction open.
Result<void> CopyDatabase(Connection& from, const std::string& to,
                          const std::stop_token& stop = {});

}  // namespace holdfast
