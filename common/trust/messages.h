// Strict encoding of Protobuf messages: what this version does not know is refused.
// docs/protocol.md#trust.
#pragma once

#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace google::protobuf {
class Message;
}

namespace holdfast::trust {

inline constexpr int kMessageDepthMax = 16;

Bytes EncodeMessage(const google::protobuf::Message& message);

// Replaces the content of `out`. kCorrupt if the bytes are not such a message, are nested deeper
// than kMessageDepthMax, or have a field or enum value that this version does not know, at any
// depth. `what` names the message in the error. On failure, `out` holds what could be read.
Result<void> DecodeMessage(ByteView bytes, std::string_view what, google::protobuf::Message& out);

}  // namespace holdfast::trust
