// What a file of a snapshot may have beyond content, owner and permissions: rights that a service's
// data rarely needs, and with which whoever wrote the snapshot could take over the node. Restores
// of snapshots that are not trusted leave them out, unless the node's policy allows them.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/stream/attributes.h"

namespace holdfast {

// Which of these rights a restore keeps.
struct SpecialRights {
  bool setuid = true;  // and setgid; directories always have both, where they give no rights
  bool devices = true;
  bool fifos = true;  // and sockets
  // The extended attributes security.* and trusted.*, e.g. file capabilities. SELinux labels
  // (security.selinux) are always kept: SELinux itself decides who may set them.
  bool capabilities = true;

  static SpecialRights None() { return {false, false, false, false}; }
  bool operator==(const SpecialRights&) const = default;
};

// Whether a restore creates objects of this type.
bool MayExist(const SpecialRights& kept, NodeType type);
// Removes from `attributes` what `kept` does not have. Returns what was removed, in words, e.g.
// "setuid and setgid"; empty: nothing.
std::string RemoveRights(const SpecialRights& kept, Attributes& attributes);

// What a restore left out, for its report. Paths may be added repeatedly. Bounded. Thread-safe.
class LeftOutList {
 public:
  static constexpr std::size_t kMax = 1000;

  // Does both of the above. Records what is left out of `path`, and returns whether the object may
  // exist.
  bool Filter(const SpecialRights& kept, std::string_view path, Attributes& attributes);
  bool empty() const;
  // One line for each path. The last one says if there are more.
  std::vector<std::string> Lines() const;

 private:
  void Add(std::string line);
  mutable std::mutex mutex_;  // guards all below
  std::set<std::string> lines_;
  bool has_more_ = false;
};

}  // namespace holdfast
