// A repository in memory whose storage fails when a test says so.
#pragma once

#include <memory>

#include "tests/support/faulty_storage.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::testing {

// A second opening of the fixture's repository. Only its own calls fail; no fault is set at first.
struct FaultyRepository {
  explicit FaultyRepository(RepositoryFixture& fixture)
      : faults(std::make_unique<BorrowedStorage>(fixture.storage)),
        repository(fixture.OpenOn(std::make_unique<BorrowedStorage>(faults))) {}

  FaultyStorage faults;
  std::unique_ptr<repository::Repository> repository;
};

}  // namespace holdfast::testing
