#include "agent/sources/kafka/record.h"

#include <array>

namespace holdfast::kafka {

void HeaderList::Add(ByteView name, std::optional<ByteView> value) {
  Append(name);
  Append(value);
  ++count_;
}

void HeaderList::Append(std::optional<ByteView> bytes) {
  std::array<std::uint8_t, kVarintBytesMax> size;
  std::uint8_t* const end =
      PutVarint(size.data(), bytes ? static_cast<std::int64_t>(bytes->size()) : -1);
  encoded_.insert(encoded_.end(), size.data(), end);
  if (bytes) encoded_.insert(encoded_.end(), bytes->begin(), bytes->end());
}

}  // namespace holdfast::kafka
