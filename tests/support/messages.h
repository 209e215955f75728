// Parses Protobuf messages in tests.
#pragma once

#include "common/base/bytes.h"
#include "tests/support/catch.h"

namespace holdfast::testing {

// Fails the test if `bytes` are not a message of this type.
template <typename Message>
Message Parsed(ByteView bytes) {
  Message message;
  REQUIRE(message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return message;
}

}  // namespace holdfast::testing
