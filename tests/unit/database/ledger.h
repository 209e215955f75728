// The database file of these tests: a "ledger".
#pragma once

#include <string>

#include "common/database/database.h"

namespace holdfast::testing {

inline DatabaseOptions LedgerIn(const std::string& directory) {
  return {.path = directory + "/some.db",
          .what = "ledger",
          .application_id = 0x48460001,
          .corrupt_hint = "run the doctor",
          .holder = "the test",
          .busy_timeout = std::chrono::milliseconds(0)};
}

}  // namespace holdfast::testing
