// How a server of this family was started on this node: Prometheus, or Alertmanager, which takes
// its flags alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/host/process.h"
#include "agent/sources/prometheus/flags.h"
#include "common/base/result.h"

namespace holdfast::prometheus {

// Which server is meant.
struct ServerQuery {
  std::vector<std::string> programs;          // names of the program's file
  std::vector<std::string> storage_flags;     // that say where it keeps its data
  std::vector<std::string> storage_defaults;  // where it does without them; relative ones as well
  std::string storage;                        // where the wanted one does
  std::vector<std::string> defaults;          // e.g. "/etc/default/prometheus"
};

struct ServerProcess {
  std::vector<std::string> command;
  Flags flags;
  std::string directory;  // that it runs in; empty where that may not be seen
  std::string user;
  std::string unit;  // of systemd; empty: none
  std::vector<std::string>
      files;  // absolute paths that are there: the unit's, and defaults; sorted

  // What the flag says, absolute; empty where it is not given, or relative to what is not known.
  std::string PathOf(std::string_view flag) const;
};

// kNotFound where none that can be seen keeps its data there.
Result<ServerProcess> FindServerProcess(const ServerQuery& query, const host::Places& places = {});

// "process.json": stable as long as the server is started the same way.
std::string EncodeServerProcess(const ServerProcess& process);

}  // namespace holdfast::prometheus
