// Compares a snapshot with what a signed order means.
#pragma once

#include "agent/jobs/restore/restore_options.h"
#include "common/base/result.h"
#include "common/repository/snapshot/snapshot_info.h"

namespace holdfast::jobs {

// kDenied, with both values of each difference, if `found` is not the snapshot that `ordered`
// means. `all` lists the repository. If the order asks for the newest snapshot, also kDenied if
// `all` has a newer one. If a snapshot in `all` is unreadable, it may be the newest: then the error
// is that of the unreadable snapshot.
Result<void> CheckOrdered(const OrderedSnapshot& ordered, const repository::SnapshotInfo& found,
                          const repository::SnapshotListing& all);

}  // namespace holdfast::jobs
