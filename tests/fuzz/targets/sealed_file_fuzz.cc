// A small sealed file (index, snapshot, lock): its content, and an invalid seal.
#include <algorithm>

#include "common/repository/store/repository.h"
#include "tests/fuzz/target.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_storage.h"
#include "tests/support/seeded_random.h"

namespace holdfast::fuzz {
namespace {

repository::Repository& SealedFileRepository() {
  static testing::SeededRandom random;
  static testing::ManualClock clock;
  static testing::MemoryStorage storage;
  static const std::unique_ptr<repository::Repository> opened = [] {
    const Secret password("fuzz");
    repository::InitOptions options;
    options.scrypt = crypto::ScryptParameters{.n = 16, .r = 8, .p = 1};
    FUZZ_REQUIRE(repository::Repository::Init(storage, password, options, random, clock));
    auto repository = repository::Repository::Open(
        std::make_unique<testing::BorrowedStorage>(storage), password, {}, random, clock);
    FUZZ_REQUIRE(repository.has_value());
    return *std::move(repository);
  }();
  return *opened;
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(sealed_file) {
  using namespace holdfast;
  repository::Repository& repository = fuzz::SealedFileRepository();
  const Result<Bytes> unsealed = repository.files().Open(input);
  FUZZ_REQUIRE(!unsealed && fuzz::IsRefusal(unsealed.error()));

  static crypto::Sealer sealer = repository.keys().NewSealer();
  const Result<Bytes> json = repository.files().Open(sealer.Seal(input));
  FUZZ_REQUIRE_CLEAR(json);
  if (!json) return false;
  FUZZ_REQUIRE(!input.empty());
  if (input[0] == '{' || input[0] == '[') FUZZ_REQUIRE(std::ranges::equal(*json, input));
  const Bytes sealed = repository.files().Seal(*json);
  const Result<Bytes> again = repository.files().Open(sealed);
  FUZZ_REQUIRE(again && *again == *json);
  return true;
}
