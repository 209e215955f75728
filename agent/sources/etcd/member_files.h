// What a member needs to live again besides its data: the files that the settings name and those of
// the control plane around it, below "members/<node>/files".
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/etcd/control_plane.h"
#include "agent/sources/etcd/settings.h"
#include "agent/sources/source.h"
#include "common/filetree/walker.h"

namespace holdfast::etcd {

// Used by one thread at a time. Settings and the previous snapshot outlive it.
class MemberFiles {
 public:
  // `previous` may be null.
  static Result<MemberFiles> Prepare(const SourceContext& context, const Settings& settings,
                                     SnapshotView* previous);
  // As BackupSession::Next().
  Result<std::optional<Item>> Next();
  // Bytes that Next() will give in all; 0 where there are too many files to count.
  std::uint64_t bytes() const { return bytes_; }
  // Details and what is missing go into the manifest, the rest to `warnings`. REQUIRES: Next()
  // returned nullopt.
  void Describe(Manifest& manifest, std::vector<std::string>& warnings) const;

 private:
  explicit MemberFiles(const Settings& settings) : settings_(&settings) {}

  const Settings* settings_;
  ControlPlaneFiles control_plane_;
  std::unique_ptr<filetree::Walker> walker_;  // null where there is no file to save
  std::uint64_t bytes_ = 0;
};

}  // namespace holdfast::etcd
