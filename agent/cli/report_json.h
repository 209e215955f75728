// Reports as the one JSON document that --json puts on stdout. Schemas: docs/json.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/daemon/join_cluster.h"
#include "agent/jobs/archive_job.h"
#include "agent/jobs/backup_job.h"
#include "agent/jobs/browse_job.h"
#include "agent/jobs/check_job.h"
#include "agent/jobs/copy_job.h"
#include "agent/jobs/discover_job.h"
#include "agent/jobs/forget_job.h"
#include "agent/jobs/init_job.h"
#include "agent/jobs/inspect_job.h"
#include "agent/jobs/key_job.h"
#include "agent/jobs/lock_job.h"
#include "agent/jobs/probe_job.h"
#include "agent/jobs/prune_job.h"
#include "agent/jobs/repair_job.h"
#include "agent/jobs/restore_job.h"
#include "agent/jobs/snapshot_finder.h"
#include "agent/settings/settings.h"

namespace holdfast::cli {

// Each ends in a newline. What is not UTF-8 in a name becomes U+FFFD.
std::string InitJson(const jobs::InitReport& report);
std::string DiscoveryJson(const jobs::DiscoveryReport& report);
std::string ProbeJson(const std::vector<jobs::ProbeReport>& reports, int exit_code);
std::string BackupJson(const jobs::BackupReport& report, int exit_code);
std::string ListJson(const std::vector<jobs::RepositoryListing>& listings, int exit_code);
std::string RestoreJson(const jobs::RestoreReport& report, int exit_code);
std::string ExtractChangeJson(const ExtractChange& change);  // one object on one line
std::string ExportJson(const jobs::ExportJobReport& report);
std::string ImportJson(const jobs::ImportJobReport& report);
// One of the list that goes out before the document (list_output.h).
std::string CheckFindingJson(const std::string& repository, const std::string& url,
                             const repository::CheckFinding& finding);
std::string CheckJson(const std::vector<jobs::CheckTaskReport>& reports, int exit_code);
std::string ForgetJson(const jobs::ForgetReport& report, int exit_code);
std::string LockListJson(const jobs::LockListReport& report);
std::string UnlockJson(const jobs::UnlockReport& report);
std::string KeyListJson(const jobs::KeyListReport& report);
std::string KeyChangeJson(const jobs::KeyChangeReport& report, std::string_view verb);
std::string InfoJson(const jobs::InfoReport& report);
std::string StatsJson(const jobs::StatsReport& report);
// Entries are objects on one line; the documents are what follows their list (list_output.h).
std::string LsEntryJson(const jobs::ListedEntry& entry);
std::string LsJson(const std::string& repository, const repository::SnapshotInfo& snapshot);
std::string FindEntryJson(const jobs::FoundEntry& entry);
std::string FindJson(const std::string& repository, const jobs::FindReport& report);
std::string ChangeJson(const repository::TreeChange& change);
std::string DiffJson(const std::string& repository, const jobs::SnapshotDiff& diff);
std::string DumpJson(const std::string& repository, const jobs::DumpReport& report,
                     const std::string& file);
std::string RepairIndexJson(const jobs::RepairIndexReport& report, int exit_code);
std::string RepairPacksJson(const jobs::RepairPacksReport& report, int exit_code);
std::string PruneJson(const jobs::PruneReport& report);
std::string CopyJson(const jobs::CopyJobReport& report, int exit_code);
std::string ConfigCheckJson(const Settings& settings);
std::string JoinJson(const agent::JoinReport& report);
std::string ConfigShowJson(const Settings& settings, const KindSchemas& kinds);
// A verb that failed before it had anything to report.
std::string ErrorJson(std::string_view verb, const Error& error, int exit_code);

}  // namespace holdfast::cli
