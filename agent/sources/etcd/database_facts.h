// What an etcd database file says of itself: the truth about a snapshot, where a status call before
// or after it would only say something near it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/etcd/bolt_file.h"
#include "agent/sources/etcd/messages.h"
#include "common/base/result.h"

namespace holdfast::etcd {

struct DatabaseFacts {
  std::uint64_t revision = 1;  // of the key space; the store of a new cluster begins at 1
  std::uint64_t compacted_revision = 0;
  std::uint64_t raft_index = 0;  // last entry applied
  std::uint64_t raft_term = 0;   // 0: not recorded (before 3.5)
  std::vector<MemberEntry> members;
  std::vector<AlarmEntry> alarms;
  std::string cluster_version;  // e.g. "3.4.0"
  std::string storage_version;  // from 3.6 on, else empty
  bool is_auth_enabled = false;
  std::uint64_t users = 0;
  std::uint64_t roles = 0;
  std::uint64_t leases = 0;
};

Result<DatabaseFacts> ReadDatabaseFacts(const BoltFile& file);

}  // namespace holdfast::etcd
