// Groups' documents from the time when they are asked for until they are saved.
//
// A group's offset must not be younger than the records that are saved, or it would point behind
// their end: groups are asked for before positions are fixed. That is long before their documents
// are wanted, and a cluster may have ten thousand groups that read a hundred partitions each. So
// they wait in a file without a name, which goes with the process, and of each only its path and
// size stay in memory.
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
  // An empty one. The file is made in `directory`, which is made if need be, with the first group.
  explicit GroupSpool(std::string directory) : directory_(std::move(directory)) {}

  Result<void> Add(const GroupDocument& group);
  std::size_t groups() const { return entries_.size(); }
  std::uint64_t bytes() const { return bytes_; }

  struct Document {
    std::string path;  // GroupPath()
    std::string json;  // EncodeGroup()
  };
  // One after the other, as they were added; nullopt: no more.
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
