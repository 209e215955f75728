#include "tests/contract/storage_contract.h"

#include "common/io/atomic_file.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/memory_storage.h"

namespace holdfast::testing {
namespace {

TEST_CASE("storage contract: a directory") {
  const TempDir directory = Unwrap(TempDir::Create("storage-contract"));
  RunStorageContract([&] { return Unwrap(OpenStorage("file:" + directory.path() + "/repo")); });
}

TEST_CASE("storage contract: memory") {
  RunStorageContract([] { return std::make_unique<MemoryStorage>(); });
}

TEST_CASE("storage contract: faults that do not happen") {
  RunStorageContract(
      [] { return std::make_unique<FaultyStorage>(std::make_unique<MemoryStorage>()); });
}

}  // namespace
}  // namespace holdfast::testing
