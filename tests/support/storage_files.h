// Lists and removes the files of a storage.
#pragma once

#include <utility>
#include <vector>

#include "common/storage/storage.h"
#include "tests/support/results.h"

namespace holdfast::testing {

// The names of all files of one kind, in the order of Storage::List().
inline std::vector<FileName> FileNames(Storage& storage, FileKind kind) {
  std::vector<FileName> names;
  for (FileInfo& file : Unwrap(ListFiles(storage, kind))) names.push_back(std::move(file.name));
  return names;
}

inline void RemoveFiles(Storage& storage, FileKind kind) {
  for (const FileName& name : FileNames(storage, kind)) Unwrap(storage.Remove(name));
}

}  // namespace holdfast::testing
