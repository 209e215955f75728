// Holds the documents of groups from when they are read until they are saved.
//
// A committed offset must not be past the saved records, so groups are read before positions are
// fixed. That is long before their documents are needed, and a cluster may have ten thousand groups
// that read a hundred partitions each. Therefore the documents are kept in an unnamed file, which
// disappears with the process. Memory holds only the path and size of each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::kafka {

// Used by one thread at a time.
class GroupSpool {
 public:
  // Creates an empty spool. The first Add() creates the file, and if needed `directory`.
  explicit GroupSpool(std::string directory) : directory_(std::move(directory)) {}

  Result<void> Add(const GroupDocument& group);
  std::size_t groups() const { return entries_.size(); }
  std::uint64_t bytes() const { return bytes_; }

  struct Document {
    std::string path;  // GroupPath()
    std::string json;  // EncodeGroup()
  };
  // Returns the documents in the order of Add(); nullopt at the end.
  Result<std::optional<Document>> Next();

 private:
  struct Entry {
    std::string path;
    std::size_t bytes = 0;
  };
  std::string directory_;
  Fd file_;
  std::vector<Entry> entries_;
  std::uint64_t bytes_ = 0;
  std::size_t next_ = 0;
  std::uint64_t next_at_ = 0;
};

}  // namespace holdfast::kafka
