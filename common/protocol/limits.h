// Limits on the content of agents' messages. An agent that has joined may be hostile, so the
// controller checks every field that the agent sends: docs/protocol.md#limits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/base/result.h"

namespace google::protobuf {
class Message;
}

namespace holdfast::protocol {

// Maximum size of a plan or report, and of the envelope around it. docs/protocol.md#trust.
inline constexpr std::size_t kPayloadBytesMax = std::size_t{1} << 20;
// The type and eight signatures of 100 bytes with their framing, rounded up.
inline constexpr std::size_t kEnvelopeOverhead = 2048;
inline constexpr std::size_t kEnvelopeBytesMax = kPayloadBytesMax + kEnvelopeOverhead;

// Milliseconds since 1970. The maximum is in 2255; WallTime ends in 2262.
inline constexpr std::int64_t kTimeMsMax = 9'000'000'000'000;
// Maximum size of names, hosts and run ids.
inline constexpr std::size_t kNameBytesMax = 255;

// kCorrupt if a field of `message`, at any depth, violates its limit; the error names the field.
// - Numbers fit into SQLite's INTEGER, times are between 1970 and kTimeMsMax, durations are between
//   0 and 1e9 seconds.
// - Ids, hashes and nonces have the size that the field requires, or are empty if it is optional.
// - Texts in Hello, and in Report outside its outcome, have at most 255 bytes and no control or
//   format characters. Hosts, endpoints, phases, codes and checks have at most 255 bytes, all other
//   texts at most 4 KiB.
// - Lists have at most the number of elements in docs/protocol.md#limits.
// Does not look into envelopes. Ignores unknown fields; DecodeMessage() refuses essential ones.
Result<void> CheckLimits(const google::protobuf::Message& message);

// Makes a message that this program sends fit the limits. A repository that another program has
// written may have contributed to it. Cuts texts between two characters, replaces invalid UTF-8
// with U+FFFD, shortens lists, and replaces numbers and times with the nearest allowed ones. Does
// not change maps, fields of type bytes, or control and format characters.
void ClampToLimits(google::protobuf::Message& message);

}  // namespace holdfast::protocol
