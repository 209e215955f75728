// Saves the data directory of a Prometheus so that one starts on it:
//
//   data/wal, data/wbl      the logs of samples that are in no block yet, in and out of order
//   data/<ULID>             blocks
//   members/<node>/...      node_files.h
//
// THE ORDER: first the log "wal", then "wbl", both held open from the cut on; then the blocks.
// Compaction moves samples from the logs into a block, which is there before what it was made of
// goes. Logs first: what went from them meanwhile is held open, and is in a block besides, which
// does no harm. Blocks first: what was in the logs then, and in a new block by the time that the
// logs are read, is in neither, and Prometheus starts on it without a word. "wal" is opened before
// "wbl", which refers to series that "wal" introduces; a reference to a series that came later is
// one to a sample that came later.
//
// "chunks_head" and "chunk_snapshot.*" are made again from the logs. Left out as well are
// "*.tmp-for-creation" and "*.tmp-for-deletion", "snapshots", "lock" and "queries.active".
#pragma once

#include <memory>

#include "agent/sources/prometheus/node_files.h"
#include "agent/sources/prometheus/settings.h"
#include "agent/sources/source.h"

namespace holdfast::prometheus {

// Everything referred to outlives the session.
std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec);

// Of this node, for a look or a backup.
NodeFilesOptions NodeOptions(const Settings& settings);

}  // namespace holdfast::prometheus
