// How this node's server was started: its command line, the environment for ZooKeeper's scripts,
// and the files that these name, e.g. for JAAS. A server cannot be started in the same way without
// them.
//
// Read only from /proc. What a process says about itself is believed only if its user is root, or
// may write the server's data anyway.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "agent/sources/host/process.h"
#include "common/base/result.h"

namespace holdfast::zookeeper {

struct ServerProcess {
  std::vector<std::string> command;
  std::map<std::string, std::string> environment;  // for ZooKeeper, Java and their scripts
  std::string directory;                           // working directory
  std::string user;
  std::string version;  // e.g. "3.9.4", from its class path; empty: unknown
  std::string unit;     // systemd unit; empty: none
  std::string config;   // zoo.cfg, absolute
  // Files that the command line and the unit name, if they exist or the server needs them; sorted.
  std::vector<std::string> files;
  std::vector<std::string> warnings;
};

// The arguments after the main class on a server's command line, zoo.cfg first; empty if the
// process is not a server.
std::span<const std::string> ServerArguments(const host::LocalProcess& process);

// The process that was started with `config` and may write `data_dir`. kNotFound if there is no
// such process.
Result<ServerProcess> FindServerProcess(const std::string& config, const std::string& data_dir,
                                        const host::Places& places = {});

// The content of "process.json". It changes only if the server is started differently.
std::string EncodeServerProcess(const ServerProcess& process);

}  // namespace holdfast::zookeeper
