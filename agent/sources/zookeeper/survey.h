// What is known of a server before anything is saved of it: its configuration, its process, and
// what it and the other members say when they are asked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/zookeeper/server_config.h"
#include "agent/sources/zookeeper/server_process.h"
#include "agent/sources/zookeeper/server_words.h"
#include "agent/sources/zookeeper/settings.h"
#include "common/base/result.h"

namespace holdfast::zookeeper {

struct Survey {
  ServerConfig config;
  std::optional<ServerProcess> process;
  std::optional<ServerAnswer> answer;  // of this node's server
  std::optional<Error> silence;        // why there is none
  // Of the other members: those that answered.
  std::vector<std::pair<Address, ServerAnswer>> others;

  // The server runs here, as far as can be seen.
  bool is_live() const { return process.has_value() || answer.has_value(); }
  // This server has no part in the ensemble while others have: its files are behind theirs.
  bool is_left_behind() const;
  // The newest transaction that any of them has confirmed; 0: not known.
  std::int64_t confirmed_zxid() const;
  std::string Health() const;
  // As manifests have them.
  std::map<std::string, std::string> Identity() const;
  std::vector<std::map<std::string, std::string>> Members() const;
};

// Errors only for what is wrong on this side: a configuration that cannot be read, or a stop.
Result<Survey> LookAtServer(const Settings& settings, const std::stop_token& stop,
                            const host::Places& places = {});

// "0x10000002a".
std::string ZxidText(std::int64_t zxid);

}  // namespace holdfast::zookeeper
