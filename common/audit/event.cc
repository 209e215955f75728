#include "common/audit/event.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "common/base/format.h"
#include "common/base/utf8.h"
#include "proto/holdfast/v1/audit.pb.h"

namespace holdfast {
namespace {

constexpr std::uint32_t kFormat = 1;
constexpr std::string_view kReplacement = "\xef\xbf\xbd";

std::string Readable(std::string_view text) {
  std::string readable;
  readable.reserve(text.size());
  while (!text.empty()) {
    const CodePoint character = DecodeUtf8(text);
    readable += character.valid ? text.substr(0, character.length) : kReplacement;
    text.remove_prefix(character.length);
  }
  return readable;
}

std::unexpected<Error> MalformedEvent(std::string_view why) {
  return Fail(ErrorCode::kCorrupt, fmt::format("not an audit event: {}", why));
}

}  // namespace

Bytes EncodeAuditEvent(const AuditEvent& event) {
  v1::AuditEvent message;
  message.set_format(kFormat);
  message.set_origin(Readable(event.origin));
  message.set_sequence(event.sequence);
  message.set_time_ms(event.time_ms);
  message.set_type(Readable(event.type));
  message.set_actor(Readable(event.actor));
  message.set_subject(Readable(event.subject));
  message.set_run(Readable(event.run));
  for (const auto& [name, value] : event.facts) {
    (*message.mutable_facts())[Readable(name)] = Readable(value);
  }
  message.set_evidence(std::string(AsText(event.evidence)));
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream out(&bytes);
    google::protobuf::io::CodedOutputStream coded(&out);
    coded.SetSerializationDeterministic(true);  // maps by ascending key
    HF_CHECK(message.SerializeToCodedStream(&coded));
  }
  return ToBytes(bytes);
}

Result<AuditEvent> DecodeAuditEvent(ByteView bytes) {
  v1::AuditEvent message;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return MalformedEvent("it cannot be decoded");
  }
  if (!message.GetReflection()->GetUnknownFields(message).empty()) {
    return MalformedEvent("it has an unknown field");
  }
  if (message.format() != kFormat)
    return MalformedEvent(fmt::format("format {}", message.format()));
  AuditEvent event{.origin = message.origin(),
                   .sequence = message.sequence(),
                   .time_ms = message.time_ms(),
                   .type = message.type(),
                   .actor = message.actor(),
                   .subject = message.subject(),
                   .run = message.run(),
                   .facts = {message.facts().begin(), message.facts().end()},
                   .evidence = ToBytes(message.evidence())};
  return event;
}

crypto::Digest AuditLeaf(ByteView bytes) {
  crypto::Sha256 hash;
  const std::uint8_t mark[] = {0};
  hash.Update(mark);
  hash.Update(bytes);
  return hash.Finish();
}

Result<AuditEvent> AuditSequence::Take(std::uint64_t sequence, ByteView bytes, ByteView leaf) {
  std::uint64_t expected = last_ + 1;
  last_ = sequence;
  std::string name = fmt::format("audit event {}", sequence);
  if (sequence != expected) {
    return Fail(ErrorCode::kCorrupt,
                sequence > expected
                    ? fmt::format("audit events {} to {} are missing", expected, sequence - 1)
                    : name + " comes out of order");
  }
  if (!std::ranges::equal(AuditLeaf(bytes), leaf)) {
    return Fail(ErrorCode::kCorrupt, name + ": its leaf does not match its bytes");
  }
  Result<AuditEvent> event = DecodeAuditEvent(bytes);
  if (!event) return Fail(std::move(event).error().While(name));
  if (event->sequence != sequence) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: calls itself {}", name, event->sequence));
  }
  if (event->origin != origin_) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: is of {}, not of {}", name, Quote(event->origin), Quote(origin_)));
  }
  return event;
}

}  // namespace holdfast
