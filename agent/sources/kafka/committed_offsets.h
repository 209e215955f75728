// Translates committed offsets of a stored partition into offsets of the same records elsewhere,
// where offsets may differ. It maps each offset to the place of its record: 0 for the partition's
// first record, 1 for the second, and so on.
#pragma once

#include <cstdint>
#include <map>

#include "common/kafka/client.h"

namespace holdfast::kafka {

// The committed offsets of one partition. First Add() all of them, then Begin(), then See() all
// records in order, then SeeEnd().
class CommittedOffsets {
 public:
  // Adds an offset that a group committed: that of the next record to read.
  void Add(std::int64_t offset) { places_.try_emplace(offset, 0); }
  bool empty() const { return places_.empty(); }

  // Reports the next record, or the end. An offset without a record is mapped to the next record.
  void See(std::int64_t offset, std::uint64_t place) {
    while (next_ != places_.end() && next_->first <= offset) (next_++)->second = place;
  }
  void SeeEnd(std::uint64_t place) {
    while (next_ != places_.end()) (next_++)->second = place;
  }
  void Begin() { next_ = places_.begin(); }

  // REQUIRES: the offset was added, and SeeEnd() was called.
  std::uint64_t PlaceOf(std::int64_t offset) const { return places_.at(offset); }
  // All places, by offset.
  const std::map<std::int64_t, std::uint64_t>& places() const { return places_; }

 private:
  std::map<std::int64_t, std::uint64_t> places_;
  std::map<std::int64_t, std::uint64_t>::iterator next_;
};

}  // namespace holdfast::kafka
