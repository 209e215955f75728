// How this node's server was started: its command line, the environment for ZooKeeper's scripts,
// and the files that these name, e.g. for JAAS. A server cannot be started in the same way without
// them.
//
// Read only from /proc. What a process says about itself is believed only if its user is root, or
// may write the server's data anyway.
#pragma once

#include <span>
#include <string>

#include "agent/sources/host/process.h"
#include "agent/sources/member/member_process.h"
#include "common/base/result.h"

namespace holdfast::zookeeper {

// `config` is zoo.cfg. `files` exist, or the server needs them.
using ServerProcess = MemberProcess;

// The arguments after the main class on a server's command line, zoo.cfg first; empty if the
// process is not a server.
std::span<const std::string> ServerArguments(const host::LocalProcess& process);

// The process that was started with `config` and may write `data_dir`. kNotFound if there is no
// such process.
Result<ServerProcess> FindServerProcess(const std::string& config, const std::string& data_dir,
                                        const host::Places& places);

}  // namespace holdfast::zookeeper
