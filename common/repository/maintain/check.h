// Finds damage: missing, altered or contradictory data, and which snapshots and paths it affects.
#pragma once

#include <stop_token>

#include "common/base/result.h"
#include "common/repository/maintain/check_report.h"
#include "common/repository/store/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

// The caller must hold a shared lock. Lists snapshots before it reads the index, so that a
// concurrent backup does not look like damage. Fails only if the storage does; damage is in the
// report, and so are single files that the storage does not return (IsInaccessible()). Memory
// besides the index: 32 bytes per pack, per directory, and per blob of damaged packs. All findings
// go to `options.on_finding`; the report keeps only the first.
Result<CheckReport> CheckRepository(Repository& repository, const CheckOptions& options,
                                    Progress& progress, std::stop_token stop);

// Checks the key files only, which needs no password. For callers that cannot open the repository.
Result<void> CheckKeys(Storage& storage, const CheckOptions& options, CheckReport& report);

}  // namespace holdfast::repository
