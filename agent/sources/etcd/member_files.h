// Saves the files that a member needs besides its data, below "members/<node>/files": the
// configured files and those of a kubeadm control plane.
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

// Used by one thread at a time. Settings and the previous snapshot must outlive it.
class MemberFiles {
 public:
  // `previous` may be null.
  static Result<MemberFiles> Prepare(const SourceContext& context, const Settings& settings,
                                     SnapshotView* previous);
  // As BackupSession::Next().
  Result<std::optional<Item>> Next();
  // Total bytes that Next() will return; 0 if there are too many files to count.
  std::uint64_t bytes() const { return bytes_; }
  // Adds details and missing items to the manifest, and warnings to `warnings`. REQUIRES: Next()
  // returned nullopt.
  void Describe(Manifest& manifest, std::vector<std::string>& warnings) const;

 private:
  explicit MemberFiles(const Settings& settings) : settings_(&settings) {}

  const Settings* settings_;
  ControlPlaneFiles control_plane_;
  std::unique_ptr<filetree::Walker> walker_;  // null: no files to save
  std::uint64_t bytes_ = 0;
};

}  // namespace holdfast::etcd
