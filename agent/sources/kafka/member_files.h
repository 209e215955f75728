// Saves what only this node's broker has, below "members/<node>/" (member/member_files.h):
// configured files, meta.properties and bootstrap.checkpoint of each log directory, files found by
// broker_process.h and, in cluster_metadata/, KRaft's metadata log (metadata_log.h).
//
// Prepare() opens the metadata log, so that it is pinned before the cut. The files are read later.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/sources/kafka/broker_process.h"
#include "agent/sources/kafka/log_directory.h"
#include "agent/sources/kafka/metadata_log.h"
#include "agent/sources/member/member_files.h"

namespace holdfast::kafka {

struct BrokerFilesOptions {
  std::vector<std::string> files;     // further files and directories to save
  std::vector<std::string> log_dirs;  // empty: the broker is not on this node
};

// Used by one thread at a time. The previous snapshot must outlive it.
class BrokerFiles {
 public:
  // `directories` belongs to `log_dirs`. `previous` may be null.
  static Result<BrokerFiles> Prepare(const SourceContext& context,
                                     const BrokerFilesOptions& options,
                                     const LogDirectories& directories, SnapshotView* previous);
  // As BackupSession::Next().
  Result<std::optional<Item>> Next();
  // Total bytes that Next() will return; 0 if there are too many files to count.
  std::uint64_t bytes() const {
    return files_.bytes() + (metadata_log_ ? metadata_log_->bytes() : 0);
  }
  // Whether a usable metadata log is included, and so the secrets that no broker returns.
  bool has_metadata_log() const { return metadata_log_ && metadata_log_->Doubt().empty(); }
  // Null if the broker's configuration could not be read.
  const JavaProperties* server_properties() const {
    return process_ ? &process_->properties : nullptr;
  }
  // Adds details and missing items to the manifest, and warnings to `warnings`. Does not add what
  // `directories` reports as missing. REQUIRES: Next() returned nullopt.
  void Describe(Manifest& manifest, std::vector<std::string>& warnings) const;

 private:
  // Each adds what it finds to `spec`, and what it cannot find or read as a missing item or a
  // warning.
  void FindProcess(const BrokerFilesOptions& options, const host::Places& places,
                   MemberFilesSpec& spec);
  void OpenMetadataLog(const BrokerFilesOptions& options, const LogDirectories& directories,
                       MemberFilesSpec& spec);
  void FindFiles(const BrokerFilesOptions& options, MemberFilesSpec& spec) const;

  std::optional<BrokerProcess> process_;
  std::optional<MetadataLog> metadata_log_;
  std::string metadata_directory_;  // of metadata_log_; empty: not found
  std::string metadata_prefix_;     // in the snapshot
  MemberFiles files_;
};

}  // namespace holdfast::kafka
