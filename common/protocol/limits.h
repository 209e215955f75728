// How much a message of an agent may contain. An agent that has joined may be hostile, so the
// controller checks every field of what it sends, by these limits: docs/protocol.md#limits.
#pragma once

#include <cstdint>

#include "common/base/result.h"

namespace google::protobuf {
class Message;
}

namespace holdfast::protocol {

// Milliseconds since 1970. The maximum is in 2255; WallTime ends in 2262.
inline constexpr std::int64_t kTimeMsMax = 9'000'000'000'000;

// kCorrupt if a field of `message`, at any depth, is outside of its limits; the error names it.
// - Numbers fit into SQLite, times are between 1970 and kTimeMsMax, durations are finite.
// - Ids, keys, hashes and nonces have their size, or are empty if the field is optional.
// - Names have at most 255 bytes and no control or format characters, other texts at most 4 KiB.
// - Lists have at most the number of elements that the .proto files state.
// Never looks into envelopes. Unknown fields are ignored; DecodeMessage() refuses them.
Result<void> CheckLimits(const google::protobuf::Message& message);

// Makes a message of this program's own fit into the limits: cuts texts between two characters,
// replaces what is not UTF-8 by U+FFFD, and shortens lists. Does not change names, ids and numbers.
void ClampTexts(google::protobuf::Message& message);

}  // namespace holdfast::protocol
