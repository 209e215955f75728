// What only this node's broker has, below "members/<node>/":
//
//   files/<absolute path>    files of the settings; meta.properties and bootstrap.checkpoint of
//   each
//                            log directory; what broker_process.h finds
//   cluster_metadata/...     KRaft's own log (metadata_log.h)
//   process.json             how the broker was started
//
// KRaft's log is taken up when this is prepared, before a cut, and the files are read afterwards.
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
  std::vector<std::string> files;     // files and directories to save, too
  std::vector<std::string> log_dirs;  // empty: the broker is not on this node
  host::Places places = {};
};

// Used by one thread at a time. The previous snapshot outlives it.
class MemberFiles {
 public:
  // `directories` are those of `log_dirs`; `previous` may be null.
  static Result<MemberFiles> Prepare(const SourceContext& context, MemberFilesOptions options,
                                     const LogDirectories& directories, SnapshotView* previous);
  // As BackupSession::Next().
  Result<std::optional<Item>> Next();
  // Bytes that Next() will give in all; 0 where there are too many files to count.
  std::uint64_t bytes() const { return bytes_; }
  // Whether the hashes, quotas and secrets are among them that no broker tells.
  bool has_metadata_log() const { return metadata_log_ && metadata_log_->Doubt().empty(); }
  // Null where the broker's configuration could not be read.
  const JavaProperties* server_properties() const {
    return process_ ? &process_->properties : nullptr;
  }
  // Details and what is missing go into the manifest, the rest to `warnings`. What `directories`
  // miss is left to whoever opened them. REQUIRES: Next() returned nullopt.
  void Describe(Manifest& manifest, std::vector<std::string>& warnings) const;

 private:
  void FindProcess();
  void OpenMetadataLog(const LogDirectories& directories);
  Result<void> OpenWalker(const SourceContext& context, SnapshotView* previous);
  std::optional<Item> TakeProcess();

  MemberFilesOptions options_;
  std::string prefix_;  // "members/<node>"
  WallTime now_{};
  std::optional<BrokerProcess> process_;
  std::optional<MetadataLog> metadata_log_;
  std::string metadata_directory_;  // that log's; empty: not found
  std::unique_ptr<filetree::Walker> walker_;
  std::vector<Missing> missing_;
  std::vector<std::string> warnings_;
  bool is_process_given_ = false;
  std::uint64_t bytes_ = 0;
};

}  // namespace holdfast::kafka
