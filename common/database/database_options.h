// What a connection needs to know about a database file.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace holdfast {

struct DatabaseOptions {
  std::string path;
  std::string what;  // its name in errors: "catalog"
  // Written into the file by Migrate() (common/database/schema.h); other files are refused.
  std::uint32_t application_id = 0;
  // What a user should do about a damaged file.
  std::string corrupt_hint;
  // Names the writer to those who find the file locked: "holdfast-controller". The process id is
  // added.
  std::string holder = "holdfast";
  std::chrono::milliseconds busy_timeout{5'000};
};

}  // namespace holdfast
