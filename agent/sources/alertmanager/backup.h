// Saves what Alertmanagers know:
//
//   data/silences.json      the answer to GET /api/v2/silences: of all members, each silence's
//   newest data/status.json        the answer to GET /api/v2/status of the first that answers
//   data/storage/silences   the same silences as Alertmanager's own file
//   data/storage/nflog      this node's notification log
//   members/<node>/...      prometheus/node_files.h, with the files of the storage
//
// Order: the configuration may be read whenever; silences are asked for in the cut, and the
// notification log is opened before it. The log is older than the silences by up to
// --data.maintenance-interval in any case, since nothing tells it but the file: an alert may be
// told twice after a restore, never not at all. "data/storage" is what --storage.path takes.
//
// The files on disk are written every quarter of an hour and at a clean stop; the truth is with the
// API. Where Alertmanager does not run they are all there is, and the snapshot says that it is
// cold.
#pragma once

#include <memory>
#include <string_view>

#include "agent/sources/alertmanager/settings.h"
#include "agent/sources/prometheus/node_files.h"
#include "agent/sources/source.h"

namespace holdfast::alertmanager {

inline constexpr std::string_view kSilencesPath = "data/silences.json";
inline constexpr std::string_view kStatusPath = "data/status.json";
inline constexpr std::string_view kStoragePath = "data/storage";

// Everything referred to outlives the session.
std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec);

// Of this node, for a look or a backup.
prometheus::NodeFilesOptions NodeOptions(const Settings& settings);

}  // namespace holdfast::alertmanager
