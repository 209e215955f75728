#include "common/protocol/limits.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/format.h"
#include "common/base/printable.h"
#include "common/base/utf8.h"

namespace holdfast::protocol {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::size_t kTextBytesMax = 4096;
constexpr double kSecondsMax = 1e9;

// Size of the fields of type bytes that have this name, in any message.
struct ByteSize {
  std::string_view field;
  std::size_t bytes;
};
constexpr std::array kByteSizes = {
    ByteSize{"plan_id", 16},  ByteSize{"process_id", 16},      ByteSize{"nonce", 16},
    ByteSize{"plans", 16},    ByteSize{"tree_id", 32},         ByteSize{"snapshot", 32},
    ByteSize{"id", 32},       ByteSize{"parent", 32},          ByteSize{"plan_hash", 32},
    ByteSize{"previous", 32}, ByteSize{"safety_snapshot", 32},
};
// Fields of type bytes that must not be empty. common/trust/report.cc checks the fields that an
// outcome requires.
constexpr std::array<std::string_view, 8> kRequired = {
    "holdfast.v1.Hello.process_id",
    "holdfast.v1.Hello.nonce",
    "holdfast.v1.Hello.plans",
    "holdfast.v1.Heartbeat.process_id",
    "holdfast.v1.TaskProgress.plan_id",
    "holdfast.v1.PartReference.tree_id",
    "holdfast.v1.InventoriedSnapshot.id",
    "holdfast.v1.SafetySnapshot.snapshot",
};
constexpr std::string_view kEnvelopes = "holdfast.v1.Reports.envelopes";

// Text fields with names, ids and versions. Fields with content from a repository are not listed,
// because another program may have written the repository.
constexpr std::array<std::string_view, 14> kNames = {
    "holdfast.v1.ConfiguredSource.source",
    "holdfast.v1.ConfiguredSource.repository",
    "holdfast.v1.ConfiguredSource.topology",
    "holdfast.v1.Hello.node",
    "holdfast.v1.Hello.boot_id",
    "holdfast.v1.Hello.version",
    "holdfast.v1.Hello.repositories",
    "holdfast.v1.Hello.capabilities",
    "holdfast.v1.Report.cluster_id",
    "holdfast.v1.Report.node",
    "holdfast.v1.Report.run",
    "holdfast.v1.Report.source",
    "holdfast.v1.Report.repository",
    "holdfast.v1.Report.version",
};
// Text fields with at most kNameBytesMax, but with any characters, by field name in any message.
constexpr std::array<std::string_view, 5> kForeignNames = {"host", "code", "check", "phase",
                                                           "endpoint"};

struct ListSize {
  std::string_view field;
  int elements;
};
constexpr int kElementsMax = 20;  // of lists that are not in kListSizes
constexpr int kMapMax = 64;
constexpr std::array kListSizes = {
    ListSize{"holdfast.v1.Hello.sources", 10'000},
    ListSize{"holdfast.v1.Hello.repositories", 1'000},
    ListSize{"holdfast.v1.Hello.plans", 10'000},
    ListSize{"holdfast.v1.Hello.capabilities", 1'000},
    ListSize{"holdfast.v1.Reports.envelopes", 256},
    ListSize{"holdfast.v1.Progress.tasks", 10'000},
    ListSize{"holdfast.v1.ProbeResult.sources", 10'000},
    ListSize{"holdfast.v1.ProbedSource.members", 64},
    ListSize{"holdfast.v1.InventoryResult.snapshots", 10'000},
    ListSize{"holdfast.v1.Restored.lines", 100},
    ListSize{"holdfast.v1.Restored.plan", 100},
};

template <typename Table>
bool Has(const Table& table, std::string_view name) {
  return std::ranges::find(table, name) != table.end();
}

bool IsName(const FieldDescriptor& field) {
  return Has(kNames, field.full_name()) || Has(kForeignNames, field.name());
}

std::size_t TextBytesMax(const FieldDescriptor& field) {
  return IsName(field) ? kNameBytesMax : kTextBytesMax;
}

int ElementsMax(const FieldDescriptor& field) {
  if (field.is_map()) return kMapMax;
  const auto found = std::ranges::find(kListSizes, field.full_name(), &ListSize::field);
  return found == kListSizes.end() ? kElementsMax : found->elements;
}

std::unexpected<Error> Beyond(const FieldDescriptor& field, std::string_view reason) {
  return Fail(
      ErrorCode::kCorrupt,
      fmt::format("field {} {}",
                  Quote(field.full_name().substr(field.file()->package().size() + 1)), reason));
}

bool IsTime(const FieldDescriptor& field) { return field.name().ends_with("_ms"); }

Result<void> CheckBytes(const FieldDescriptor& field, const std::string& value) {
  if (field.full_name() == kEnvelopes) {
    if (value.size() <= kEnvelopeBytesMax) return {};
    return Beyond(field, fmt::format("has {} bytes; at most {}", value.size(), kEnvelopeBytesMax));
  }
  if (value.empty() && !Has(kRequired, field.full_name())) return {};
  const auto found = std::ranges::find(kByteSizes, field.name(), &ByteSize::field);
  if (found != kByteSizes.end() && value.size() == found->bytes) return {};
  return Beyond(field, fmt::format("has {} bytes; expected {}", value.size(),
                                   found == kByteSizes.end() ? 0 : found->bytes));
}

Result<void> CheckText(const FieldDescriptor& field, const std::string& value) {
  if (value.size() > TextBytesMax(field)) {
    return Beyond(field,
                  fmt::format("has {} bytes; at most {}", value.size(), TextBytesMax(field)));
  }
  if (Has(kNames, field.full_name()) && Printable(value) != value) {
    return Beyond(field, "has a control or format character");
  }
  return {};
}

Result<void> CheckValue(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool is_list = field.is_repeated();
  std::string scratch;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return CheckLimits(is_list ? reflection.GetRepeatedMessage(message, &field, index)
                                 : reflection.GetMessage(message, &field));
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string& value =
          is_list ? reflection.GetRepeatedStringReference(message, &field, index, &scratch)
                  : reflection.GetStringReference(message, &field, &scratch);
      return field.type() == FieldDescriptor::TYPE_BYTES ? CheckBytes(field, value)
                                                         : CheckText(field, value);
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      const std::int64_t value = reflection.GetInt64(message, &field);
      if (value >= 0 && (value <= kTimeMsMax || !IsTime(field))) return {};
      return Beyond(field, "is not a valid time");
    }
    case FieldDescriptor::CPPTYPE_UINT64:
      if (reflection.GetUInt64(message, &field) <= std::numeric_limits<std::int64_t>::max())
        return {};
      return Beyond(field, "is too large");
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const double value = reflection.GetDouble(message, &field);
      if (std::isfinite(value) && value >= 0 && value <= kSecondsMax) return {};
      return Beyond(field, "is not a valid duration");
    }
    default:
      return {};
  }
}

void ClampText(Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool is_list = field.is_repeated();
  std::string value = is_list ? reflection.GetRepeatedString(message, &field, index)
                              : reflection.GetString(message, &field);
  if (value.size() <= TextBytesMax(field) && IsUtf8(value)) return;
  value = ShortenUtf8(value, TextBytesMax(field));
  if (is_list) {
    reflection.SetRepeatedString(&message, &field, index, std::move(value));
  } else {
    reflection.SetString(&message, &field, std::move(value));
  }
}

// REQUIRES: no list of numbers has limits.
void ClampNumber(Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
    const std::int64_t value = reflection.GetInt64(message, &field);
    reflection.SetInt64(&message, &field,
                        std::clamp<std::int64_t>(value, 0, IsTime(field) ? kTimeMsMax : kMax));
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64) {
    const std::uint64_t value = reflection.GetUInt64(message, &field);
    reflection.SetUInt64(&message, &field, std::min<std::uint64_t>(value, kMax));
  }
}

std::vector<const FieldDescriptor*> FieldsOf(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  return fields;
}

}  // namespace

Result<void> CheckLimits(const Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  // All fields, not only those that are set: some must not be empty.
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (!field.is_repeated()) {
      const bool is_absent = field.has_presence() && !reflection.HasField(message, &field);
      if (!is_absent) HF_TRY(CheckValue(message, field, 0));
      continue;
    }
    const int size = reflection.FieldSize(message, &field);
    if (size > ElementsMax(field)) {
      return Beyond(field, fmt::format("has {} elements; at most {}", size, ElementsMax(field)));
    }
    for (int index = 0; index < size; ++index) HF_TRY(CheckValue(message, field, index));
  }
  return {};
}

void ClampToLimits(Message& message) {
  const Reflection& reflection = *message.GetReflection();
  for (const FieldDescriptor* field : FieldsOf(message)) {
    if (field->is_map()) continue;  // a shortened key would be a different key
    const bool is_list = field->is_repeated();
    if (is_list) {
      while (reflection.FieldSize(message, field) > ElementsMax(*field))
        reflection.RemoveLast(&message, field);
    }
    const int size = is_list ? reflection.FieldSize(message, field) : 1;
    for (int index = 0; index < size; ++index) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        ClampToLimits(is_list ? *reflection.MutableRepeatedMessage(&message, field, index)
                              : *reflection.MutableMessage(&message, field));
      } else if (field->type() == FieldDescriptor::TYPE_STRING) {
        ClampText(message, *field, index);
      } else if (!is_list) {
        ClampNumber(message, *field);
      }
    }
  }
}

}  // namespace holdfast::protocol
