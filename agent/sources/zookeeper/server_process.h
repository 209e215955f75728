// How this node's server was started: what its command line says, what its environment tells
// ZooKeeper's scripts, and the files that these name, such as that for JAAS. Without it no server
// comes back as it was.
//
// Only read, from /proc. What a process says of itself is believed as far as whoever runs it may
// write the server's data anyway, or is root.
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
  std::map<std::string, std::string> environment;  // what ZooKeeper, Java and their scripts look at
  std::string directory;                           // that it runs in
  std::string user;
  std::string version;  // e.g. "3.9.4", as its class path says; empty: not known
  std::string unit;     // of systemd; empty: none
  std::string config;   // zoo.cfg, absolute
  // Named by the command line and the unit, and there, or such that it needs them; sorted.
  std::vector<std::string> files;
  std::vector<std::string> warnings;
};

// What follows the main class of a server on its command line, first of it zoo.cfg; empty for what
// is no server.
std::span<const std::string> ServerArguments(const host::LocalProcess& process);

// The process that was started with `config` and may write `data_dir`. kNotFound where there is
// none.
Result<ServerProcess> FindServerProcess(const std::string& config, const std::string& data_dir,
                                        const host::Places& places = {});

// "process.json": stable as long as the server is started the same way.
std::string EncodeServerProcess(const ServerProcess& process);

}  // namespace holdfast::zookeeper
