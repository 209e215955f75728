// The files that only this node's server has: zoo.cfg, the dynamic configuration, myid, files that
// these and the server's command line name, the unit's, and those of the settings.
//
// The epochs that it keeps beside its data are recorded in the manifest but not saved: the ensemble
// refuses a server that starts with another member's data and its own epochs.
#pragma once

#include "agent/sources/member/member_files.h"
#include "agent/sources/zookeeper/survey.h"

namespace holdfast::zookeeper {

MemberFilesSpec FindMemberFiles(const Settings& settings, const Survey& survey);

// `previous` may be null, and must outlive the files. Fails if a file is missing and the settings
// say so.
Result<MemberFiles> OpenMemberFiles(const SourceContext& context, const Settings& settings,
                                    const Survey& survey, SnapshotView* previous);

}  // namespace holdfast::zookeeper
