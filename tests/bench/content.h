// Content for benchmarks: incompressible, and compressible.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "common/base/format.h"
#include "tests/support/seeded_random.h"

namespace holdfast::bench {

inline void AppendRandom(testing::SeededRandom& random, std::size_t bytes, std::string& out) {
  const std::size_t end = out.size() + bytes;
  while (out.size() < end) {
    const std::uint64_t number = random.Next64();
    const auto* raw = reinterpret_cast<const char*>(&number);
    out.append(raw, std::min(sizeof number, end - out.size()));
  }
}

// Log lines of a service. zstd level 3 compresses them by a factor of about 2.6.
inline void AppendLog(testing::SeededRandom& random, std::size_t bytes, std::string& out) {
  const std::size_t end = out.size() + bytes;
  while (out.size() < end) {
    const std::uint64_t a = random.Next64();
    fmt::format_to(
        std::back_inserter(out),
        "2024-05-01T12:{:02}:{:02}.{:03}Z host-{} service[{}]: request {:016x} of user {:08x} took "
        "{} us, status {}, {} bytes\n",
        a % 60, (a >> 8) % 60, (a >> 16) % 1000, (a >> 28) % 9, (a >> 32) % 5000, random.Next64(),
        static_cast<std::uint32_t>(random.Next64()), (a >> 40) % 9999, (a & 15) == 0 ? 500 : 200,
        (a >> 48) % 65536);
  }
  out.resize(end);
}

}  // namespace holdfast::bench
