#include "common/protocol/messages.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/unknown_field_set.h>

#include <limits>
#include <optional>
#include <vector>

#include "common/base/format.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::protocol {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool IsKnownValue(const FieldDescriptor& field, int number) {
  const google::protobuf::EnumDescriptor& type = *field.enum_type();
  // A root document may list roles and orders of a later version.
  if (&type == v1::Role_descriptor() || &type == v1::OrderKind_descriptor()) return true;
  return type.FindValueByNumber(number) != nullptr;
}

// Describes the first unknown field or enum value in `field` that a reader must not ignore.
std::optional<std::string> StrangeIn(const Message& message, const FieldDescriptor& field,
                                     Extensions extensions);

std::optional<std::string> StrangeIn(const Message& message, Extensions extensions) {
  const Reflection& reflection = *message.GetReflection();
  const auto& unknown = reflection.GetUnknownFields(message);
  for (int i = 0; i < unknown.field_count(); ++i) {
    const int number = unknown.field(i).number();
    if (number >= kFirstExtension && extensions == Extensions::kIgnored) continue;
    return fmt::format("unknown field {} in \"{}\"", number, message.GetDescriptor()->name());
  }
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (auto strange = StrangeIn(message, *field, extensions)) return strange;
  }
  return std::nullopt;
}

std::optional<std::string> StrangeIn(const Message& message, const FieldDescriptor& field,
                                     Extensions extensions) {
  const Reflection& reflection = *message.GetReflection();
  const int count = field.is_repeated() ? reflection.FieldSize(message, &field) : 1;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    for (int i = 0; i < count; ++i) {
      const int number = field.is_repeated() ? reflection.GetRepeatedEnumValue(message, &field, i)
                                             : reflection.GetEnumValue(message, &field);
      if (IsKnownValue(field, number)) continue;
      return fmt::format("unknown value {} of {}", number, Quote(field.name()));
    }
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    for (int i = 0; i < count; ++i) {
      auto strange =
          StrangeIn(field.is_repeated() ? reflection.GetRepeatedMessage(message, &field, i)
                                        : reflection.GetMessage(message, &field),
                    extensions);
      if (strange) return strange;
    }
  }
  return std::nullopt;
}

// Libraries do not log; the Error says what is wrong. Protobuf would also write to standard error.
void SilenceProtobuf() {
  [[maybe_unused]] static const auto previous = google::protobuf::SetLogHandler(nullptr);
}

}  // namespace

Bytes EncodeMessage(const Message& message) {
  Bytes bytes(message.ByteSizeLong());
  HF_CHECK(bytes.size() <= std::numeric_limits<int>::max());
  HF_CHECK(message.SerializeToArray(bytes.data(), static_cast<int>(bytes.size())));
  return bytes;
}

Result<void> DecodeMessage(ByteView bytes, std::string_view what, Message& out,
                           Extensions extensions) {
  SilenceProtobuf();
  out.Clear();
  if (bytes.size() > std::numeric_limits<int>::max()) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{} of {}", what, FormatBytes(bytes.size())));
  }
  google::protobuf::io::CodedInputStream input(bytes.data(), static_cast<int>(bytes.size()));
  input.SetRecursionLimit(kMessageDepthMax);
  if (!out.ParseFromCodedStream(&input) || !input.ConsumedEntireMessage()) {
    return Fail(ErrorCode::kCorrupt, fmt::format("the bytes are not a valid {}", what));
  }
  if (auto strange = StrangeIn(out, extensions)) {
    return Fail(ErrorCode::kUnsupported, fmt::format("{} with an {}", what, *strange),
                "the sender has another version of Holdfast; upgrade the older one");
  }
  return {};
}

std::vector<std::string_view> OutcomeNames() {
  const auto& outcomes = *v1::Report::descriptor()->FindOneofByName("outcome");
  std::vector<std::string_view> names;
  for (int i = 0; i < outcomes.field_count(); ++i) names.push_back(outcomes.field(i)->name());
  return names;
}

bool ParseHead(ByteView bytes, Message& out) {
  SilenceProtobuf();
  return bytes.size() <= std::numeric_limits<int>::max() &&
         out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace holdfast::protocol
