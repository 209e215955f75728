// Complete checks of a repository.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/repository/maintain/check.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::testing {

// Checks the repository, including all data.
inline repository::CheckReport CheckAll(repository::Repository& repository) {
  Progress progress;
  return Unwrap(repository::CheckRepository(repository, {.read_data = true}, progress, {}));
}

// Fails the test if the repository has an error or another number of snapshots. Returns the report.
inline repository::CheckReport RequireSound(repository::Repository& repository,
                                            std::uint64_t snapshots) {
  repository::CheckReport report = CheckAll(repository);
  CHECK(report.errors == std::vector<std::string>{});
  CHECK(report.snapshots == snapshots);
  return report;
}

}  // namespace holdfast::testing
