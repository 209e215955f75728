// Saves what only this node has of a server, below "members/<node>/":
//
//   files/<absolute path>   its configuration, files that this names, its unit, configured files
//   process.json            how it was started
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/member/kingpin_process.h"
#include "agent/sources/member/referenced_files.h"
#include "agent/sources/source.h"
#include "common/config/schema.h"
#include "common/filetree/walker.h"

namespace holdfast {

// The options in agent.yaml.
struct KingpinFilesSettings {
  std::string config;               // empty: as the process says
  std::vector<std::string> files;   // further files and directories to save
  bool missing_is_failure = false;  // fail if a named file does not exist
};

// Adds the options config, files and on_missing.
void AddKingpinFilesOptions(config::Schema& schema);
// Reads these options.
void ReadKingpinFiles(const config::Values& values, KingpinFilesSettings& settings);

struct KingpinFilesOptions : KingpinFilesSettings {
  KingpinQuery server;
  std::vector<std::string> config_defaults;  // default paths; may be relative
  std::vector<std::string> config_flags;     // flags that name further configurations
  std::vector<std::string> units;            // saved if no process is found
  std::vector<std::string> storage_files;    // absolute paths; may not exist
};

// Used by one thread at a time. The previous snapshot must outlive it.
class KingpinFiles {
 public:
  // `previous` may be null. kNotFound with `missing_is_failure` and a missing file.
  static Result<KingpinFiles> Prepare(const SourceContext& context, KingpinFilesOptions options,
                                      SnapshotView* previous);
  // Null if the server does not run here or is not visible.
  const KingpinProcess* process() const { return process_ ? &*process_ : nullptr; }
  // The configuration; empty if not found.
  const std::string& config() const { return config_; }
  // Paths that Next() will return.
  const std::vector<std::string>& roots() const { return roots_; }
  const std::vector<Missing>& missing() const { return missing_; }
  // As BackupSession::Next().
  Result<std::optional<Item>> Next();
  std::uint64_t bytes() const { return bytes_; }
  // REQUIRES: Next() returned nullopt.
  void Describe(Manifest& manifest, std::vector<std::string>& warnings) const;

 private:
  void FindConfig();
  Result<void> Gather();
  Result<void> OpenWalker(const SourceContext& context, SnapshotView* previous);

  KingpinFilesOptions options_;
  host::Places places_;
  std::string prefix_;
  WallTime now_{};
  std::optional<KingpinProcess> process_;
  std::string config_;
  std::vector<std::string> roots_;
  std::vector<Missing> missing_;
  std::vector<std::string> warnings_;
  std::unique_ptr<filetree::Walker> walker_;  // null: no files to save
  std::uint64_t bytes_ = 0;
  bool is_process_given_ = false;
};

}  // namespace holdfast
