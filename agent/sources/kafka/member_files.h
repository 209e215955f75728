// Saves what only this node's broker has, below "members/<node>/":
//
//   files/<absolute path>   configured files; meta.properties and bootstrap.checkpoint of each
//                           log directory; files found by broker_process.h
//   cluster_metadata/...    KRaft's metadata log (metadata_log.h)
//   process.json            how the broker was started
//
// Prepare() opens the metadata log, so that it is pinned before the cut. The files are read later.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/kafka/broker_process.h"
#include "agent/sources/kafka/log_directory.h"
#include "agent/sources/kafka/metadata_log.h"
#include "agent/sources/source.h"
#include "common/filetree/walker.h"

namespace holdfast::kafka {

struct MemberFilesOptions {
  std::vector<std::string> files;     // further files and directories to save
  std::vector<std::string> log_dirs;  // empty: the broker is not on this node
};

// Used by one thread at a time. The previous snapshot must outlive it.
class MemberFiles {
 public:
  // `directories` belongs to `log_dirs`. `previous` may be null.
  static Result<MemberFiles> Prepare(const SourceContext& context, MemberFilesOptions options,
                                     const LogDirectories& directories, SnapshotView* previous);
  // As BackupSession::Next().
  Result<std::optional<Item>> Next();
  // Total bytes that Next() will return; 0 if there are too many files to count.
  std::uint64_t bytes() const { return bytes_; }
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
  void FindProcess(const host::Places& places);
  void OpenMetadataLog(const LogDirectories& directories);
  Result<void> OpenWalker(const SourceContext& context, SnapshotView* previous);
  std::optional<Item> TakeProcess();

  MemberFilesOptions options_;
  std::string prefix_;  // "members/<node>"
  WallTime now_{};
  std::optional<BrokerProcess> process_;
  std::optional<MetadataLog> metadata_log_;
  std::string metadata_directory_;  // of metadata_log_; empty: not found
  std::unique_ptr<filetree::Walker> walker_;
  std::vector<Missing> missing_;
  std::vector<std::string> warnings_;
  bool is_process_given_ = false;
  std::uint64_t bytes_ = 0;
};

}  // namespace holdfast::kafka
