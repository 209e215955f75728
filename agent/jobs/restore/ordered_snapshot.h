// Compares a snapshot with what a signed order means.
#pragma once

#include "agent/jobs/restore/restore_options.h"
#include "common/base/result.h"
#include "common/repository/snapshot/snapshot_info.h"

namespace holdfast::jobs {

// kDenied, with both values of each difference, if `found` is not the snapshot that `ordered`
// means, or if it is not the newest one of `all` although the order asks for it. `all` is the
// content of the repository. If some of it is unreadable, no snapshot is certain to be the newest:
// then the error is that of the unreadable snapshot.
Result<void> CheckOrdered(const OrderedSnapshot& ordered, const repository::SnapshotInfo& found,
                          const repository::SnapshotListing& all);

}  // namespace holdfast::jobs
