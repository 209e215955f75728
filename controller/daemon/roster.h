// What must outlive the catalog: which nodes have joined or were revoked, and all root documents.
// Each has a small file below the state directory, written atomically. No other source can be
// trusted: an agent's own statement about its key proves nothing.
// docs/catalog.md#beside-the-catalog
//
// The catalog comes first. What its transaction contains is written here before anyone is notified.
// So the roster is older than the catalog only after a crash, and newer only than a catalog that
// was lost or replaced by an older copy. One thread at a time.
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
  // Reads STATE_DIR/agents and STATE_DIR/roots, and creates both if they do not exist.
  // kInvalidArgument for files of another cluster. A damaged file is ignored and named in
  // warnings().
  static Result<Roster> Open(const std::string& state_dir, const std::string& cluster_id);

  // What a catalog that knows `known` is missing, with an audit event for each change: agents and
  // their later incarnations, revocations, and root documents as far as each follows the previous
  // one. REQUIRES: known.cluster.
  //
  // kDenied if a root document here does not follow the catalog's: agents would not trust a
  // controller that continues without it.
  Result<std::vector<Change>> MissingFrom(const Loaded& known, WallTime now) const;

  // Writes what is missing or different here. Durable on return. After an error, part of it is
  // written, and the next call with all that is known writes the rest.
  Result<void> Keep(const Loaded& known);
  Result<void> Keep(std::span<const Change> changes);

  // What could not be read, one line each.
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
  std::map<std::string, Member> members_;  // as in the files
  std::map<std::uint64_t, Bytes> roots_;
  std::vector<std::string> warnings_;
};

}  // namespace holdfast::controller
