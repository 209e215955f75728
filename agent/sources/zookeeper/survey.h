// What is known about a server before it is backed up: its configuration, its process, and the
// answers of this server and the other members.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/zookeeper/server_answer.h"
#include "agent/sources/zookeeper/server_config.h"
#include "agent/sources/zookeeper/server_process.h"
#include "agent/sources/zookeeper/settings.h"
#include "common/base/result.h"

namespace holdfast::zookeeper {

struct Survey {
  ServerConfig config;
  std::optional<ServerProcess> process;
  std::optional<ServerAnswer> answer;  // of this node's server
  std::optional<Error> silence;        // why there is no answer
  // The other members that answered.
  std::vector<std::pair<Address, ServerAnswer>> others;

  // Whether the server runs, as far as can be seen.
  bool is_live() const { return process.has_value() || answer.has_value(); }
  // This server is not part of the ensemble but others are, so its files are out of date.
  bool is_outdated() const;
  // The newest transaction that one of them has confirmed; 0: unknown.
  std::int64_t confirmed_zxid() const;
  std::string Health() const;
  // As in manifests.
  std::map<std::string, std::string> Identity() const;
  std::vector<std::map<std::string, std::string>> Members() const;
};

// Fails only for errors on this side: a configuration that cannot be read, or a stop.
Result<Survey> SurveyServer(const Settings& settings, const std::stop_token& stop,
                            const host::Places& places);

// "0x10000002a".
std::string ZxidText(std::int64_t zxid);

}  // namespace holdfast::zookeeper
