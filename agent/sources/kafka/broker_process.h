// Finds out how this node's broker was started: its command line, the environment variables of
// Kafka's scripts, and the files that both name. The cluster has none of this, and the broker
// cannot be recreated without it.
//
// Only reads /proc. A process's claims are trusted only if it may write the broker's log
// directories anyway: it runs as root or as their owner.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/sources/host/process.h"
#include "agent/sources/kafka/parse_broker_texts.h"
#include "agent/sources/member/member_process.h"
#include "common/base/result.h"

namespace holdfast::kafka {

// `config` is server.properties. `files` exist, and include it and the files that it names.
struct BrokerProcess : MemberProcess {
  JavaProperties properties;  // of `config`, with --override of the command line applied
};

// Finds the process that uses one of `log_dirs`. kNotFound if none does or files cannot be read.
Result<BrokerProcess> FindBrokerProcess(std::span<const std::string> log_dirs,
                                        const host::Places& places);

// The configuration of a broker or a KRaft controller. ReadBrokerConfig() returns nullopt for any
// other process, and fails if the configuration cannot be read.
struct BrokerConfig {
  std::string path;           // absolute
  JavaProperties properties;  // with --override of the command line applied
};
Result<std::optional<BrokerConfig>> ReadBrokerConfig(const host::LocalProcess& process);

// The directories in log.dirs, or else log.dir, without trailing slashes.
std::vector<std::string> LogDirsOf(const JavaProperties& properties);

}  // namespace holdfast::kafka
