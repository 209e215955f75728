// Options of a ZooKeeper source.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::zookeeper {

struct Settings {
  std::string config;                // zoo.cfg of the server on this node
  std::string data_dir;              // empty: from `config`
  std::string data_log_dir;          // likewise
  std::string endpoint;              // host:port of this node's server; empty: from `config`
  std::vector<std::string> members;  // host:port of the others; empty: from `config`
  std::vector<std::string> files;
  bool missing_is_failure = false;  // for files that the configuration names
};

config::Schema SettingsSchema();
Result<Settings> ReadSettings(const config::Values& values);

}  // namespace holdfast::zookeeper
