// How this node's broker was started: what its command line says, what its environment tells
// Kafka's scripts, and the files that these name. None of it is in the cluster, and without it no
// broker comes back as it was.
//
// Only read, from /proc. What a process says of itself is believed as far as whoever runs it may
// write the broker's log directories anyway, or is root.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/host/process.h"
#include "agent/sources/kafka/broker_texts.h"
#include "common/base/result.h"

namespace holdfast::kafka {

struct BrokerProcess {
  std::vector<std::string> command;
  std::map<std::string, std::string> environment;  // what Kafka, Java and their scripts look at
  std::string directory;                           // that it runs in
  std::string user;
  std::string version;        // e.g. "3.9.1", as its class path says; empty: not known
  std::string unit;           // of systemd, e.g. "kafka.service"; empty: none
  std::string config;         // server.properties, absolute
  JavaProperties properties;  // of it, as changed by --override on the command line
  // Absolute paths that are there: the configuration, what it and the command line name, and the
  // unit's files; sorted.
  std::vector<std::string> files;
  std::vector<std::string> warnings;
};

// The process that uses one of `log_dirs`. kNotFound where there is none, or its files cannot be
// read.
Result<BrokerProcess> FindBrokerProcess(std::span<const std::string> log_dirs,
                                        const host::Places& places = {});

// A broker, or a controller of KRaft, with its configuration; nullopt for what is neither. Errors
// say why its configuration is not known.
struct BrokerConfig {
  std::string path;           // absolute
  JavaProperties properties;  // as changed by --override on the command line
};
Result<std::optional<BrokerConfig>> ReadBrokerConfig(const host::LocalProcess& process);

// "process.json": stable as long as the broker is started the same way.
std::string EncodeBrokerProcess(const BrokerProcess& process);

// Directories of log.dirs, or of log.dir, without trailing slashes.
std::vector<std::string> LogDirsOf(const JavaProperties& properties);

}  // namespace holdfast::kafka
