// Backup of a ZooKeeper server's state, see pinned_files.h for the order in which it is taken:
//
//   data/version-2/snapshot.<zxid>    the newest whole snapshot, as the server wrote it
//   data/version-2/log.<zxid>         the logs from the one that has its zxid, each up to its last
//                                     whole record
//   members/<node>/...                member_files.h
//
// "data" is a data directory that every member of an ensemble can begin with.
#pragma once

#include <memory>

#include "agent/sources/source.h"
#include "agent/sources/zookeeper/settings.h"

namespace holdfast::zookeeper {

// Context and settings outlive the session.
std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec);

}  // namespace holdfast::zookeeper
