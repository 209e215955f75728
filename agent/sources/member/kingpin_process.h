// Finds out how a Prometheus or an Alertmanager, whose flags work alike, was started on this node.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/host/process.h"
#include "agent/sources/member/kingpin_flags.h"
#include "common/base/result.h"

namespace holdfast {

// Identifies a server.
struct KingpinQuery {
  std::vector<std::string> programs;          // file names of the program
  std::vector<std::string> storage_flags;     // flags for its data directory
  std::vector<std::string> storage_defaults;  // defaults of these; may be relative
  std::string storage;                        // data directory of the wanted server
  std::vector<std::string> defaults;          // e.g. "/etc/default/prometheus"
};

struct KingpinProcess {
  std::vector<std::string> command;
  KingpinFlags flags;
  std::string directory;  // working directory; empty: not readable
  std::string user;
  std::string unit;  // systemd unit; empty: none
  // Absolute paths of existing files, sorted: those of the unit, and defaults.
  std::vector<std::string> files;

  // The flag's path, absolute; empty if not set, or relative to an unknown directory.
  std::string PathOf(std::string_view flag) const;
};

// kNotFound if no visible server has its data there.
Result<KingpinProcess> FindKingpinProcess(const KingpinQuery& query, const host::Places& places);

// The content of "process.json". Deterministic.
std::string EncodeKingpinProcess(const KingpinProcess& process);

}  // namespace holdfast
