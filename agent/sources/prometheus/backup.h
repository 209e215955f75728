// Saves the data directory of a Prometheus so that a server can start with it:
//
//   data/wal, data/wbl      logs of in-order and out-of-order samples that are in no block yet
//   data/<ULID>             blocks
//   members/<node>/...      member/kingpin_files.h
//
// THE ORDER: first open the log "wal", then "wbl", both from the cut on; then save the blocks.
// Compaction moves samples from the logs into a new block, and deletes the old segments only when
// the block exists. With logs first, deleted segments are still open, and their samples may also be
// in a block, which is harmless. With blocks first, samples could move into a new block before the
// logs are read. They would be missing from both, and Prometheus would start without any error.
// "wal" comes before "wbl", which refers to series that "wal" introduces; a reference to a later
// series belongs to a later sample.
//
// Not saved: "chunks_head" and "chunk_snapshot.*", which Prometheus rebuilds from the logs;
// "*.tmp-for-creation", "*.tmp-for-deletion", "snapshots", "lock" and "queries.active".
#pragma once

#include <memory>

#include "agent/sources/member/kingpin_files.h"
#include "agent/sources/prometheus/settings.h"
#include "agent/sources/source.h"

namespace holdfast::prometheus {

// All references must outlive the session.
std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec);

// Options for this node's files.
KingpinFilesOptions NodeOptions(const Settings& settings);

}  // namespace holdfast::prometheus
