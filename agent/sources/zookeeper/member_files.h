// The server's own files: zoo.cfg, the dynamic configuration, myid, the files that these and the
// command line refer to, the files of the systemd unit, and the files that the settings list.
//
// The epochs that it keeps beside its data are recorded in the manifest but not saved: the ensemble
// refuses a server that starts with another member's data and its own epochs.
#pragma once

#include "agent/sources/member/member_files.h"
#include "agent/sources/zookeeper/survey.h"

namespace holdfast::zookeeper {

MemberFilesSpec FindMemberFiles(const Settings& settings, const Survey& survey);

// `previous` may be null, and must outlive the result. Fails if a file is missing and
// `missing_is_failure` is set.
Result<MemberFiles> OpenMemberFiles(const SourceContext& context, const Settings& settings,
                                    const Survey& survey, SnapshotView* previous);

}  // namespace holdfast::zookeeper
