// Reads facts from a snapshot's database file. They are exact, whereas the status of the member
// before or after the snapshot is only approximate.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/sources/etcd/bolt_file.h"
#include "agent/sources/etcd/messages.h"
#include "common/base/result.h"

namespace holdfast::etcd {

struct DatabaseFacts {
  std::uint64_t revision = 1;  // of the key space; 1 in a new cluster
  std::uint64_t compacted_revision = 0;
  std::uint64_t raft_index = 0;  // last applied entry
  std::uint64_t raft_term = 0;   // 0: not recorded (before 3.5)
  std::vector<MemberEntry> members;
  std::vector<AlarmEntry> alarms;
  std::string cluster_version;  // e.g. "3.4.0"
  std::string storage_version;  // since 3.6; otherwise empty
  bool is_auth_enabled = false;
  std::uint64_t users = 0;
  std::uint64_t roles = 0;
  std::uint64_t leases = 0;
};

Result<DatabaseFacts> ReadDatabaseFacts(const BoltFile& file);

}  // namespace holdfast::etcd
