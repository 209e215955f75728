// Trees and snapshots as another program may write them, from JSON.
#pragma once

#include <string>
#include <string_view>

#include "common/base/format.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::testing {

// Saves a directory. `nodes` are the JSON objects of its entries, separated by commas.
inline repository::Id SaveForeignTree(repository::Repository& repository,
                                      const std::string& nodes) {
  return SaveBlob(repository, repository::BlobType::kTree,
                  AsBytes("{\"nodes\":[" + nodes + "]}\n"));
}

// Saves a snapshot of "/x". `tree` is a hexadecimal id.
inline repository::Id SaveForeignSnapshot(repository::Repository& repository, std::string_view tree,
                                          std::string_view time = "2026-11-21T05:45:28Z") {
  const std::string json = fmt::format(R"({{"time":"{}","paths":["/x"],"tree":"{}"}})", time, tree);
  return Unwrap(repository.files().Save(FileKind::kSnapshot, AsBytes(json)));
}

}  // namespace holdfast::testing
