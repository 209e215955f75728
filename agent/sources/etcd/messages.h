// The messages of etcd's gRPC API that a backup needs. Field numbers are those of rpc.proto,
// package etcdserverpb, in 3.4, 3.5 and 3.6. Fields that a version does not send stay empty.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::etcd {

struct ResponseHeader {
  std::uint64_t cluster_id = 0;
  std::uint64_t member_id = 0;
  std::uint64_t revision = 0;
  std::uint64_t raft_term = 0;
};

struct StatusResponse {
  ResponseHeader header;
  std::string version;
  std::uint64_t db_size = 0;         // bytes of the file
  std::uint64_t db_size_in_use = 0;  // bytes in use
  std::uint64_t leader = 0;          // member id; 0: no leader
  std::uint64_t raft_index = 0;
  std::uint64_t raft_applied_index = 0;
  std::uint64_t raft_term = 0;
  std::vector<std::string> errors;
  bool is_learner = false;
  std::string storage_version;  // since 3.6
};

struct MemberEntry {
  std::uint64_t id = 0;
  std::string name;  // empty: added, but not started yet
  std::vector<std::string> peer_urls;
  std::vector<std::string> client_urls;
  bool is_learner = false;
};

enum class AlarmType : std::uint8_t { kNone = 0, kNoSpace = 1, kCorrupt = 2 };

struct AlarmEntry {
  std::uint64_t member_id = 0;
  AlarmType type = AlarmType::kNone;
};

struct SnapshotMessage {
  std::uint64_t remaining_bytes = 0;
  ByteView blob;        // view into the encoded message
  std::string version;  // storage version, since 3.6
};

Result<StatusResponse> DecodeStatus(ByteView message);
Result<std::vector<MemberEntry>> DecodeMembers(ByteView message);
Result<std::vector<AlarmEntry>> DecodeAlarms(ByteView message);
// One entry. The database file uses the same encoding.
Result<AlarmEntry> DecodeAlarm(ByteView message);
Result<std::string> DecodeToken(ByteView message);
Result<SnapshotMessage> DecodeSnapshot(ByteView message);
Result<std::uint64_t> DecodeCount(ByteView message);

Bytes EncodeAuthenticate(std::string_view user, std::string_view password);
// A request for the number of keys at `revision`. The member answers without contacting the others.
Bytes EncodeCountAll(std::uint64_t revision);

// The id as etcd prints it: hexadecimal without leading zeros.
std::string IdText(std::uint64_t id);

}  // namespace holdfast::etcd
