// Saves the state of Alertmanagers:
//
//   data/silences.json      GET /api/v2/silences: the newest version of each, from all members
//   data/status.json        GET /api/v2/status of the first member that answers
//   data/storage/silences   the same silences in Alertmanager's own format
//   data/storage/nflog      this node's notification log
//   members/<node>/...      member/kingpin_files.h, with the files of the storage
//
// Order: the configuration is read at any time. The notification log is opened before the cut, and
// silences are queried in the cut. The log is up to --data.maintenance-interval older than the
// silences anyway, because only its file can be read. So after a restore a notification may be sent
// twice, but none is lost. "data/storage" is suitable for --storage.path.
//
// Alertmanager writes its files every 15 minutes and at a clean stop, so the API is authoritative.
// If Alertmanager is not running, its files are all there is, and the snapshot is marked as cold.
#pragma once

#include <memory>
#include <string_view>

#include "agent/sources/alertmanager/settings.h"
#include "agent/sources/member/kingpin_files.h"
#include "agent/sources/source.h"

namespace holdfast::alertmanager {

inline constexpr std::string_view kSilencesPath = "data/silences.json";
inline constexpr std::string_view kStatusPath = "data/status.json";
inline constexpr std::string_view kStoragePath = "data/storage";

// All references must outlive the session.
std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec);

// Options for this node's files.
KingpinFilesOptions NodeOptions(const Settings& settings);

}  // namespace holdfast::alertmanager
