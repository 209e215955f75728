// What must outlive the catalog: who belongs to the cluster and who was shut out of it, and all
// root documents. One small file for each below the state directory, whole or not at all. Nobody
// else could say it again: what an agent says of its own key proves nothing.
// docs/catalog.md#beside-the-catalog
//
// The catalog comes first: what its transaction holds is written here before anything is said of
// it. So the roster is behind only after a crash, and ahead only of a catalog that was lost, or of
// an older copy of it. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "controller/core/records.h"

namespace holdfast::controller {

class Roster {
 public:
  // Reads what lies in STATE_DIR/agents and STATE_DIR/roots, and makes both where they are not
  // there. kInvalidArgument for files of another cluster. One that is damaged counts as none, and
  // stands in warnings().
  static Result<Roster> Open(const std::string& state_dir, const std::string& cluster_id);

  // What a catalog lacks that knows `known`, with an audit event for each change: agents and later
  // incarnations of them, revocations, root documents as far as one follows from the other.
  // REQUIRES: known.cluster.
  //
  // kDenied when a root document here does not follow the catalog's: no agent would believe who
  // goes on without it.
  Result<std::vector<Change>> LackedBy(const Loaded& known, WallTime now) const;

  // Writes what is not here yet, or is here with something else in it. Durable on return; after an
  // error some of it is, and the rest is written by the next call with all that is known.
  Result<void> Keep(const Loaded& known);
  Result<void> Keep(std::span<const Change> changes);

  // One line each: what could not be read.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  struct Member {
    std::uint64_t incarnation = 0;
    Bytes signing_key;
    Bytes curve_key;
    std::int64_t joined_ms = 0;
    bool revoked = false;
    bool operator==(const Member&) const = default;
  };

  Roster(std::string state_dir, std::string cluster_id)
      : state_dir_(std::move(state_dir)), cluster_id_(std::move(cluster_id)) {}
  Result<void> ReadAgents();
  Result<void> ReadRoots();
  Result<void> Keep(const AgentRecord& agent);
  Result<void> Keep(const RootRecord& root);
  std::string PathOf(const std::string& node) const;
  static Member MemberOf(const AgentRecord& agent);
  std::string TextOf(const std::string& node, const Member& member) const;
  Result<Member> Parse(const std::string& node, std::string_view text) const;
  Result<void> AddRoots(const Loaded& known, WallTime now, std::vector<Change>& changes) const;

  std::string state_dir_;
  std::string cluster_id_;
  std::map<std::string, Member> members_;  // as the files are
  std::map<std::uint64_t, Bytes> roots_;
  std::vector<std::string> warnings_;
};

}  // namespace holdfast::controller
