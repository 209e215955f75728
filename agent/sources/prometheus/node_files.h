// What only this node has of a server, below "members/<node>/":
//
//   files/<absolute path>   its configuration and every file that this names, its unit, others
//   process.json            how it was started
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/prometheus/named_files.h"
#include "agent/sources/prometheus/server_process.h"
#include "agent/sources/source.h"
#include "common/config/schema.h"
#include "common/filetree/walker.h"

namespace holdfast::prometheus {

// What agent.yaml says of them.
struct NodeFilesSettings {
  std::string config;               // empty: where the process says
  std::vector<std::string> files;   // files and directories to save, too
  bool missing_is_failure = false;  // what the configuration names and is not there
};

// Adds the options config, files and on_missing.
void AddNodeFilesOptions(config::Schema& schema);
// Takes them out of `values`.
void ReadNodeFiles(const config::Values& values, NodeFilesSettings& settings);

struct NodeFilesOptions : NodeFilesSettings {
  ServerQuery server = {};
  std::vector<std::string> config_defaults;  // where it lies without a word; relative ones as well
  std::vector<std::string> config_flags;     // further configurations, e.g. "web.config.file"
  std::vector<std::string> units;            // that are looked for where no process is seen
  std::vector<std::string> storage_files;    // absolute paths; no matter if they are not there
  host::Places places = {};
};

// Used by one thread at a time. The previous snapshot outlives it.
class NodeFiles {
 public:
  // `previous` may be null. kNotFound where `missing_is_failure`.
  static Result<NodeFiles> Prepare(const SourceContext& context, NodeFilesOptions options,
                                   SnapshotView* previous);
  // Null where the server does not run here, or cannot be seen.
  const ServerProcess* process() const { return process_ ? &*process_ : nullptr; }
  // The configuration; empty where it was not found.
  const std::string& config() const { return config_; }
  // Paths that Next() will give.
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

  NodeFilesOptions options_;
  std::string prefix_;
  WallTime now_{};
  std::optional<ServerProcess> process_;
  std::string config_;
  std::vector<std::string> roots_;
  std::vector<Missing> missing_;
  std::vector<std::string> warnings_;
  std::unique_ptr<filetree::Walker> walker_;  // null where there is no file to save
  std::uint64_t bytes_ = 0;
  bool is_process_given_ = false;
};

}  // namespace holdfast::prometheus
