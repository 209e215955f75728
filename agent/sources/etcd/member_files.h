// The files that a member needs besides its data: the configured files and those of a kubeadm
// control plane.
#pragma once

#include "agent/sources/etcd/settings.h"
#include "agent/sources/member/member_files.h"

namespace holdfast::etcd {

// `previous` may be null, and must outlive the result.
Result<MemberFiles> OpenMemberFiles(const SourceContext& context, const Settings& settings,
                                    SnapshotView* previous);

}  // namespace holdfast::etcd
