// A repository in memory whose storage fails when a test says so.
#pragma once

#include <memory>

#include "tests/support/faulty_storage.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::testing {

// Opens the fixture's repository a second time, on a storage with injected faults.
struct FaultyRepository {
  explicit FaultyRepository(RepositoryFixture& fixture)
      : faults(std::make_unique<BorrowedStorage>(fixture.storage)),
        repository(fixture.OpenOn(std::make_unique<BorrowedStorage>(faults))) {}

  FaultyStorage faults;
  std::unique_ptr<repository::Repository> repository;
};

}  // namespace holdfast::testing
