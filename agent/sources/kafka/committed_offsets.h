// What groups have committed, translated from a stored partition's offsets to those of the same
// records elsewhere: the record at an offset is found by its place, however offsets run.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "common/kafka/client.h"

namespace holdfast::kafka {

// Of one partition.
class CommittedOffsets {
 public:
  // An offset that some group has committed: of the record that it reads next.
  void Add(std::int64_t offset) { places_.try_emplace(offset, 0); }
  bool empty() const { return places_.empty(); }

  // The records of the partition, one after the other, and after the last its end. Of an offset
  // without a record the next one counts.
  void See(std::int64_t offset, std::uint64_t place) {
    while (next_ != places_.end() && next_->first <= offset) (next_++)->second = place;
  }
  void SeeEnd(std::uint64_t place) {
    while (next_ != places_.end()) (next_++)->second = place;
  }
  void Begin() { next_ = places_.begin(); }

  // REQUIRES: it was added, and all records were seen.
  std::uint64_t PlaceOf(std::int64_t offset) const { return places_.at(offset); }
  // All of them.
  const std::map<std::int64_t, std::uint64_t>& places() const { return places_; }

 private:
  std::map<std::int64_t, std::uint64_t> places_;
  std::map<std::int64_t, std::uint64_t>::iterator next_;
};

}  // namespace holdfast::kafka
