// Encodes and decodes signed Protobuf messages and join messages. The sender may have another
// version, so a reader ignores unknown extensions and refuses other unknown fields and enum values:
// docs/protocol.md#versions.
//
// This room decides whether a message can be understood. It does not know the sender or its rights;
// common/trust checks those.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace google::protobuf {
class Message;
}

namespace holdfast::protocol {

inline constexpr int kMessageDepthMax = 16;
// Fields with this number or a higher one are extensions.
inline constexpr int kFirstExtension = 1000;

enum class Extensions : std::uint8_t {
  kIgnored,
  kRefused,  // for what a person is about to sign, and for envelopes
};

Bytes EncodeMessage(const google::protobuf::Message& message);

// Replaces the content of `out`. kCorrupt if the bytes are not a message of this type, or are
// nested deeper than kMessageDepthMax. kUnsupported if they have, at any depth, an unknown field
// that is not an ignored extension, or an unknown enum value. Unknown values of Role and OrderKind
// are accepted, because they have no effect. Unknown fields stay in `out`. `what` names the message
// in the error. On failure, `out` holds what could be read.
Result<void> DecodeMessage(ByteView bytes, std::string_view what, google::protobuf::Message& out,
                           Extensions extensions = Extensions::kIgnored);

// Parses only the fields that every version can read, such as those of ReportHead, from the bytes
// of the whole message. False if the bytes are not a Protobuf message.
bool ParseHead(ByteView bytes, google::protobuf::Message& out);

// Names of the outcomes that this version can read: the fields of Report.outcome. HelloAnswer lists
// them as the controller's capabilities.
std::vector<std::string_view> OutcomeNames();

}  // namespace holdfast::protocol
