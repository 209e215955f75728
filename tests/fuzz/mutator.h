// Mutates bytes in ways that find bugs in decoders. The same seed gives the same mutations.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "tests/support/seeded_random.h"

namespace holdfast::testing {

// Rounds of each fuzz test; HOLDFAST_TEST_FUZZ_ROUNDS overrides them.
inline std::size_t FuzzRounds(std::size_t usual) {
  const char* rounds = std::getenv("HOLDFAST_TEST_FUZZ_ROUNDS");
  return rounds == nullptr ? usual : std::stoul(rounds);
}

class Mutator {
 public:
  Mutator(std::uint64_t seed, std::vector<Bytes> seeds) : random_(seed), seeds_(std::move(seeds)) {}

  // Returns one of the seeds after one to four changes.
  Bytes Next() {
    Bytes bytes = seeds_[Below(seeds_.size())];
    for (std::size_t changes = 1 + Below(4); changes > 0; --changes) Change(bytes);
    return bytes;
  }

 private:
  std::size_t Below(std::size_t limit) {
    return static_cast<std::size_t>(random_.Next64() % std::max<std::size_t>(limit, 1));
  }
  std::uint8_t AnyByte() {
    // Bytes common in lengths, tags and varints, more often than others.
    constexpr std::uint8_t kInteresting[] = {0x00, 0x01, 0x0a, 0x12, 0x1a, 0x7f, 0x80, 0xff};
    return Below(2) == 0 ? kInteresting[Below(std::size(kInteresting))]
                         : static_cast<std::uint8_t>(Below(256));
  }
  void Change(Bytes& bytes) {
    const std::size_t at = Below(bytes.size() + 1);
    const std::size_t length = std::min(Below(16) + 1, bytes.size() - at);
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = begin + static_cast<std::ptrdiff_t>(length);
    switch (Below(6)) {
      case 0:
        if (at < bytes.size()) bytes[at] ^= static_cast<std::uint8_t>(1U << Below(8));
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = AnyByte();
        break;
      case 2:
        bytes.insert(begin, 1 + Below(10), AnyByte());
        break;
      case 3:
        bytes.erase(begin, end);
        break;
      case 4: {
        const Bytes copy(begin, end);
        bytes.insert(begin, copy.begin(), copy.end());
        break;
      }
      default: {
        const Bytes& other = seeds_[Below(seeds_.size())];
        const auto from = static_cast<std::ptrdiff_t>(Below(other.size() + 1));
        bytes.erase(begin, bytes.end());
        bytes.insert(bytes.end(), other.begin() + from, other.end());
        break;
      }
    }
  }

  SeededRandom random_;
  std::vector<Bytes> seeds_;
};

}  // namespace holdfast::testing
