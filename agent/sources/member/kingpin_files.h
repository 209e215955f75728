// The files of a Prometheus or an Alertmanager that only this node has (member_files.h): the
// configuration, the files that the configuration names, the systemd unit, and configured files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/sources/member/kingpin_process.h"
#include "agent/sources/member/member_files.h"
#include "agent/sources/source.h"
#include "common/config/schema.h"

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

// The configuration and the process of a server, and the files that Next() returns.
struct KingpinFiles : MemberFiles {
  std::optional<KingpinProcess> process;  // nullopt: it does not run here or is not visible
  std::string config;                     // empty: not found
};
// `previous` may be null, and must outlive the result. kNotFound if a file is missing and
// `missing_is_failure` is set.
Result<KingpinFiles> OpenKingpinFiles(const SourceContext& context,
                                      const KingpinFilesOptions& options, SnapshotView* previous);

}  // namespace holdfast
