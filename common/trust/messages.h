// Protobuf messages as bytes, strictly: nothing that this version does not know gets through.
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

// Replaces what `out` holds. kCorrupt when the bytes are no such message, are nested deeper than
// kMessageDepthMax, or hold a field or an enum value that this version does not know, at any depth;
// `what` names the message in the error. `out` then holds what could be read.
Result<void> DecodeMessage(ByteView bytes, std::string_view what, google::protobuf::Message& out);

}  // namespace holdfast::trust
