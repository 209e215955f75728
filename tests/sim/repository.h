// The simulated repository: packs, parts, snapshots and locks, with only the guarantees of a
// storage. A put is atomic, but may take long, may fail although it landed, and may land although
// the process that sent it is gone.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace holdfast::sim {

inline constexpr std::int64_t kLockStaleMs = 30 * 60'000;

struct RepositorySnapshot {
  std::string run;
  std::string source;
  std::string host;
  std::set<int> packs;
  std::set<int> shards;   // of a sharded source
  bool is_whole = false;  // does not declare missing shards
  Bytes composed;         // a serialised Composed, as recorded in it
};

struct RepositoryLock {
  int agent = 0;
  int life = 0;  // of the process that holds it
};

struct Repository {
  int packs_made = 0;
  int locks_made = 0;
  std::set<int> packs;                    // existing packs
  std::map<Bytes, std::set<int>> parts;   // tree id -> packs
  std::map<Bytes, std::set<int>> shards;  // likewise, for a sharded source
  std::map<Bytes, RepositorySnapshot> snapshots;
  std::map<int, RepositoryLock> locks;

  const Bytes* Find(const std::string& run, const std::string& source,
                    const std::string& host) const {
    for (const auto& [id, snapshot] : snapshots) {
      if (snapshot.run == run && snapshot.source == source && snapshot.host == host) return &id;
    }
    return nullptr;
  }
  bool HasAll(const std::set<int>& wanted) const {
    for (int pack : wanted) {
      if (!packs.contains(pack)) return false;
    }
    return true;
  }
  int TakeLock(int agent, int life) {
    locks[++locks_made] = {agent, life};
    return locks_made;
  }
};

}  // namespace holdfast::sim
