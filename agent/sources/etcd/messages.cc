#include "agent/sources/etcd/messages.h"

#include "agent/sources/member/proto_wire.h"
#include "common/base/format.h"

namespace holdfast::etcd {
namespace {

// Calls `take` for every field of `message`; `take` returns a Result<void>.
template <typename Take>
Result<void> ForEachField(ByteView message, const Take& take) {
  ProtoReader reader(message);
  for (;;) {
    HF_ASSIGN(bool more, reader.Next());
    if (!more) return {};
    HF_TRY(take(reader));
  }
}

Result<ResponseHeader> DecodeHeader(ByteView message) {
  ResponseHeader header;
  HF_TRY(ForEachField(message, [&](const ProtoReader& field) -> Result<void> {
    switch (field.field()) {
      case 1:
        header.cluster_id = field.number();
        break;
      case 2:
        header.member_id = field.number();
        break;
      case 3:
        header.revision = field.number();
        break;
      case 4:
        header.raft_term = field.number();
        break;
      default:
        break;
    }
    return {};
  }));
  return header;
}

Result<MemberEntry> DecodeMember(ByteView message) {
  MemberEntry member;
  HF_TRY(ForEachField(message, [&](const ProtoReader& field) -> Result<void> {
    switch (field.field()) {
      case 1:
        member.id = field.number();
        break;
      case 2:
        member.name = field.text();
        break;
      case 3:
        member.peer_urls.push_back(field.text());
        break;
      case 4:
        member.client_urls.push_back(field.text());
        break;
      case 5:
        member.is_learner = field.number() != 0;
        break;
      default:
        break;
    }
    return {};
  }));
  return member;
}

}  // namespace

Result<AlarmEntry> DecodeAlarm(ByteView message) {
  AlarmEntry alarm;
  HF_TRY(ForEachField(message, [&](const ProtoReader& field) -> Result<void> {
    if (field.field() == 1) alarm.member_id = field.number();
    if (field.field() == 2) alarm.type = static_cast<AlarmType>(field.number() & 0xff);
    return {};
  }));
  return alarm;
}

Result<StatusResponse> DecodeStatus(ByteView message) {
  StatusResponse status;
  HF_TRY(ForEachField(message, [&](const ProtoReader& field) -> Result<void> {
    switch (field.field()) {
      case 1: {
        HF_ASSIGN(status.header, DecodeHeader(field.bytes()));
        break;
      }
      case 2:
        status.version = field.text();
        break;
      case 3:
        status.db_size = field.number();
        break;
      case 4:
        status.leader = field.number();
        break;
      case 5:
        status.raft_index = field.number();
        break;
      case 6:
        status.raft_term = field.number();
        break;
      case 7:
        status.raft_applied_index = field.number();
        break;
      case 8:
        status.errors.push_back(field.text());
        break;
      case 9:
        status.db_size_in_use = field.number();
        break;
      case 10:
        status.is_learner = field.number() != 0;
        break;
      case 11:
        status.storage_version = field.text();
        break;
      default:
        break;
    }
    return {};
  }));
  return status;
}

Result<std::vector<MemberEntry>> DecodeMembers(ByteView message) {
  std::vector<MemberEntry> members;
  HF_TRY(ForEachField(message, [&](const ProtoReader& field) -> Result<void> {
    if (field.field() != 2) return {};
    HF_ASSIGN(MemberEntry member, DecodeMember(field.bytes()));
    members.push_back(std::move(member));
    return {};
  }));
  return members;
}

Result<std::vector<AlarmEntry>> DecodeAlarms(ByteView message) {
  std::vector<AlarmEntry> alarms;
  HF_TRY(ForEachField(message, [&](const ProtoReader& field) -> Result<void> {
    if (field.field() != 2) return {};
    HF_ASSIGN(AlarmEntry alarm, DecodeAlarm(field.bytes()));
    alarms.push_back(alarm);
    return {};
  }));
  return alarms;
}

Result<std::string> DecodeToken(ByteView message) {
  std::string token;
  HF_TRY(ForEachField(message, [&](const ProtoReader& field) -> Result<void> {
    if (field.field() == 2) token = field.text();
    return {};
  }));
  return token;
}

Result<SnapshotMessage> DecodeSnapshot(ByteView message) {
  SnapshotMessage snapshot;
  HF_TRY(ForEachField(message, [&](const ProtoReader& field) -> Result<void> {
    if (field.field() == 2) snapshot.remaining_bytes = field.number();
    if (field.field() == 3) snapshot.blob = field.bytes();
    if (field.field() == 4) snapshot.version = field.text();
    return {};
  }));
  return snapshot;
}

Result<std::uint64_t> DecodeCount(ByteView message) {
  std::uint64_t count = 0;
  HF_TRY(ForEachField(message, [&](const ProtoReader& field) -> Result<void> {
    if (field.field() == 4) count = field.number();
    return {};
  }));
  return count;
}

Bytes EncodeAuthenticate(std::string_view user, std::string_view password) {
  ProtoWriter writer;
  writer.Add(1, user);
  writer.Add(2, password);
  return writer.bytes();
}

Bytes EncodeCountAll(std::uint64_t revision) {
  constexpr std::string_view kFromTheFirst("\0", 1);
  ProtoWriter writer;
  writer.Add(1, kFromTheFirst);
  writer.Add(2, kFromTheFirst);  // as range_end: without an end
  writer.Add(4, revision);
  writer.Add(7, true);  // serializable
  writer.Add(9, true);  // count_only
  return writer.bytes();
}

std::string IdText(std::uint64_t id) { return fmt::format("{:x}", id); }

}  // namespace holdfast::etcd
