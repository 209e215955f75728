// Equal sums mean that two maps or lists have the same entries in the same order.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/bytes.h"
#include "common/crypto/sha256.h"

namespace holdfast::haproxy {

class PatternDigest {
 public:
  void Add(std::string_view entry) {
    ++entries_;
    sum_.Update(AsBytes(entry));
    sum_.Update(AsBytes("\n"));
  }
  std::uint64_t entries() const { return entries_; }
  // Of all entries, each with a line feed. Resets the sum, but not the count.
  crypto::Digest Digest() { return sum_.Finish(); }

 private:
  std::uint64_t entries_ = 0;
  crypto::Sha256 sum_;
};

}  // namespace holdfast::haproxy
