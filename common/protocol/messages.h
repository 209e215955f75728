// Encodes and decodes Protobuf messages that are signed, and those that let a node join. A program
// of another version may have sent them, so a reader refuses what it must not ignore, and ignores
// what it may: docs/protocol.md#versions.
//
// This room decides whether a message can be understood. It does not know the sender, or what the
// sender may order: common/trust does.
#pragma once

#include <cstdint>
#include <string_view>

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
  kRefused,  // for a person who signs the bytes and must see all of them
};

Bytes EncodeMessage(const google::protobuf::Message& message);

// Replaces the content of `out`. kCorrupt if the bytes are not such a message, or are nested deeper
// than kMessageDepthMax. kUnsupported if they have, at any depth, an unknown field that is not an
// extension, or an unknown enum value; values of Role and OrderKind are accepted, because they only
// list what others may do. Unknown fields stay in `out`. `what` names the message in the error. On
// failure, `out` holds what could be read.
Result<void> DecodeMessage(ByteView bytes, std::string_view what, google::protobuf::Message& out,
                           Extensions extensions = Extensions::kIgnored);

// Reads a message whose fields every version can read (ReportHead) from the bytes of the whole one;
// ignores the rest. False if the bytes are not a message.
bool ParseHead(ByteView bytes, google::protobuf::Message& out);

}  // namespace holdfast::protocol
