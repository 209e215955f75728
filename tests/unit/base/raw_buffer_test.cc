#include "common/base/raw_buffer.h"

#include <algorithm>

#include "tests/support/catch.h"

using namespace holdfast;

TEST_CASE("raw buffer: keeps its content while it grows") {
  RawBuffer buffer;
  Bytes expected;
  for (std::size_t count : {0U, 1U, 1000U, 3U, 100'000U}) {
    const std::span<std::uint8_t> room = buffer.Extend(count);
    REQUIRE(room.size() == count);
    std::ranges::fill(room, static_cast<std::uint8_t>(count));
    expected.insert(expected.end(), room.begin(), room.end());
  }
  buffer.Append(AsBytes("end"));
  buffer.Append({});
  expected.insert(expected.end(), {'e', 'n', 'd'});
  CHECK(std::ranges::equal(buffer.view(), expected));

  buffer.Shrink(500);
  CHECK(std::ranges::equal(buffer.view(), ByteView(expected).first(500)));
}

TEST_CASE("raw buffer: cleared or reserved room is reused without moving") {
  RawBuffer buffer;
  buffer.Reserve(1000);
  const std::uint8_t* first = buffer.Extend(10).data();
  CHECK(buffer.Extend(990).data() == first + 10);
  buffer.Clear();
  CHECK(buffer.empty());
  CHECK(buffer.capacity() == 1000);
  CHECK(buffer.Extend(1000).data() == first);
  CHECK(reinterpret_cast<std::uintptr_t>(first) % RawBuffer::kAlignment == 0);
}
