// Backs up the state of a ZooKeeper server. pinned_files.h explains the order of reading.
//
//   data/version-2/snapshot.<zxid>    the newest complete snapshot, as the server wrote it
//   data/version-2/log.<zxid>         the logs from the one with its zxid on, each up to its last
//                                     complete record
//   members/<node>/...                member_files.h
//
// "data" is a data directory that every member of an ensemble can start with.
#pragma once

#include <memory>

#include "agent/sources/source.h"
#include "agent/sources/zookeeper/settings.h"

namespace holdfast::zookeeper {

// Context and settings outlive the session.
std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec);

}  // namespace holdfast::zookeeper
