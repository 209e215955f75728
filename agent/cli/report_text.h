// Reports as people read them, for stdout. `screen` as in FormatTable().
#pragma once

#include <string>
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
#include "common/cli/terminal.h"

namespace holdfast::cli {

std::string InitText(const jobs::InitReport& report);
// `config` is where the lines belong.
std::string DiscoveryText(const jobs::DiscoveryReport& report, const std::string& config,
                          Screen screen);
std::string ProbeText(const std::vector<jobs::ProbeReport>& reports, Screen screen);
std::string BackupText(const jobs::BackupReport& report, Screen screen);
std::string ListText(const std::vector<jobs::RepositoryListing>& listings, Screen screen);
// `screen` as of ListText().
std::string RestoreText(const jobs::RestoreReport& report, Screen screen);
std::string ExtractChangeText(const ExtractChange& change);  // a line without its end
std::string ExportText(const jobs::ExportJobReport& report);
std::string ImportText(const jobs::ImportJobReport& report);
std::string CheckText(const std::vector<jobs::CheckTaskReport>& reports);
std::string JoinText(const agent::JoinReport& report);
std::string ForgetText(const jobs::ForgetReport& report, Screen screen);
std::string LockListText(const jobs::LockListReport& report, Screen screen);
std::string UnlockText(const jobs::UnlockReport& report);
std::string KeyListText(const jobs::KeyListReport& report, Screen screen);
std::string KeyChangeText(const jobs::KeyChangeReport& report);
std::string InfoText(const jobs::InfoReport& report);
std::string StatsText(const jobs::StatsReport& report);
// Entries are lines without their end, the rest follows them.
std::string LsEntryText(const jobs::ListedEntry& entry);
std::string FindEntryText(const jobs::FoundEntry& entry);
std::string FindText(const jobs::FindReport& report);
std::string ChangeText(const repository::TreeChange& change);
std::string DiffText(const jobs::SnapshotDiff& diff);
std::string DumpText(const jobs::DumpReport& report, const std::string& file);
std::string RepairIndexText(const jobs::RepairIndexReport& report);
std::string RepairPacksText(const jobs::RepairPacksReport& report);
std::string PruneText(const jobs::PruneReport& report);
std::string CopyText(const jobs::CopyJobReport& report);
std::string ConfigCheckText(const Settings& settings);
// YAML that reads back as the same configuration.
std::string ConfigShowText(const Settings& settings, const KindSchemas& kinds);

}  // namespace holdfast::cli
