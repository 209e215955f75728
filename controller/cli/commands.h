// The commands, one file for each group. Each returns the exit code, or the error that kept it from
// reporting anything.
#pragma once

#include "common/base/result.h"
#include "controller/cli/session.h"
#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::cli {

Result<int> RunInit(Session& session);

Result<int> RunStatus(Session& session);
Result<int> RunAgentList(Session& session);
Result<int> RunAgentToken(Session& session);
Result<int> RunAgentRevoke(Session& session);

Result<int> RunBackup(Session& session);
Result<int> RunCheck(Session& session);
Result<int> RunSourceList(Session& session);
Result<int> RunRunList(Session& session);
Result<int> RunRunShow(Session& session);
Result<int> RunRunWatch(Session& session);
Result<int> RunRunCancel(Session& session);

Result<int> RunSnapshotList(Session& session);
Result<int> RunSnapshotShow(Session& session);

// Says which newer snapshots the controller passed over for "latest:...".
void TellPassedOver(Session& session, const v1::SnapshotView& snapshot);
Result<int> RunRestore(Session& session);
Result<int> RunApprove(Session& session);
Result<int> RunApprovalList(Session& session);
Result<int> RunApprovalShow(Session& session);
Result<int> RunApprovalDeny(Session& session);

Result<int> RunTrustShow(Session& session);
Result<int> RunTrustRotate(Session& session);
Result<int> RunTrustKey(Session& session);

Result<int> RunCatalogCheck(Session& session);
Result<int> RunCatalogBackup(Session& session);
Result<int> RunCatalogRebuild(Session& session);

}  // namespace holdfast::cli
