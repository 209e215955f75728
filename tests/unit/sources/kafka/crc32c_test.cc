#include "agent/sources/kafka/crc32c.h"

#include <algorithm>
#include <numeric>

#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::kafka {

TEST_CASE("crc32c: gives the values of RFC 3720, by the processor and by tables") {
  const auto sum = GENERATE(&Crc32c, &Crc32cByTable);
  Bytes rising(32);
  std::iota(rising.begin(), rising.end(), std::uint8_t{0});
  Bytes falling = rising;
  std::ranges::reverse(falling);

  REQUIRE(sum({}) == 0);
  REQUIRE(sum(AsBytes("123456789")) == 0xe3069283);
  REQUIRE(sum(Bytes(32, 0x00)) == 0x8a9136aa);
  REQUIRE(sum(Bytes(32, 0xff)) == 0x62a8ab43);
  REQUIRE(sum(rising) == 0x46dd794e);
  REQUIRE(sum(falling) == 0x113fdb5c);
}

TEST_CASE("crc32c: processor and tables agree on every length and alignment") {
  testing::SeededRandom random(1);
  Bytes bytes(600);
  random.Fill(bytes);
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t size = 0; size < 500; ++size) {
      const ByteView part = ByteView(bytes).subspan(from, size);
      REQUIRE(Crc32c(part) == Crc32cByTable(part));
    }
  }
}

}  // namespace holdfast::kafka
