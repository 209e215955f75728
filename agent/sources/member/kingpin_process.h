// Finds out how a Prometheus or an Alertmanager, whose flags work alike, was started on this node.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/host/process.h"
#include "agent/sources/member/kingpin_flags.h"
#include "agent/sources/member/member_process.h"
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

struct KingpinProcess : MemberProcess {
  KingpinFlags flags;
  // The flag's path, absolute; empty if not set, or relative to an unknown directory.
  std::string PathOf(std::string_view flag) const;
};

// kNotFound if no visible server has its data there.
Result<KingpinProcess> FindKingpinProcess(const KingpinQuery& query, const host::Places& places);

}  // namespace holdfast
