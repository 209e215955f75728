#include "agent/sources/etcd/member_files.h"

#include <utility>

#include "agent/sources/etcd/control_plane.h"

namespace holdfast::etcd {

Result<MemberFiles> OpenMemberFiles(const SourceContext& context, const Settings& settings,
                                    SnapshotView* previous) {
  ControlPlaneFiles control_plane = FindControlPlaneFiles(settings);
  MemberFilesSpec spec;
  spec.roots = settings.files;
  spec.roots.insert(spec.roots.end(), control_plane.roots.begin(), control_plane.roots.end());
  if (!settings.files.empty()) spec.details["files"] = settings.files;
  if (settings.kubeadm) spec.details["kubeadm"] = std::move(control_plane.roots);
  spec.missing = std::move(control_plane.missing);
  return MemberFiles::Open(context, std::move(spec), previous);
}

}  // namespace holdfast::etcd
