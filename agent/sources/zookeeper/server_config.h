// zoo.cfg and the dynamic configuration that it may name: where a server has its data, which other
// members there are, and which files it needs besides.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/java_properties.h"
#include "agent/sources/zookeeper/server_words.h"
#include "agent/sources/zookeeper/settings.h"
#include "common/base/result.h"

namespace holdfast::zookeeper {

// As a server takes it, without blanks around; empty: not there.
std::string TrimmedPropertyOf(const JavaProperties& properties, const std::string& name);

// One line "server.<id>=<host>:<port>:<port>[:<role>][|...][;[<client host>:]<client port>]".
struct ConfiguredMember {
  std::string id;
  std::string address;  // what stands before ";"
  std::string host;     // the first
  bool is_observer = false;
  std::optional<Address> client;  // where clients find it; nullopt: not told
  bool operator==(const ConfiguredMember&) const = default;
};
// nullopt where the value is none.
std::optional<ConfiguredMember> ParseMember(std::string_view id, std::string_view value);

struct ServerConfig {
  JavaProperties properties;
  std::string data_dir;
  std::string log_dir;                    // the same where there is no dataLogDir
  std::string dynamic_file;               // empty: none
  std::vector<ConfiguredMember> members;  // by id; empty: standalone
  std::string my_id;                      // empty: none
  std::optional<Address> client;          // of this server
  std::vector<std::string> files;  // of the configuration and named by it, there or not; sorted
  std::vector<std::string> warnings;

  bool is_ensemble() const { return !members.empty(); }
  // Where the other members answer clients, as far as can be known: by the dynamic configuration,
  // or on the same port as here.
  std::vector<Address> OtherClients() const;
};

// `settings` go before what the files say.
Result<ServerConfig> ReadServerConfig(const Settings& settings);

// Whether the value of a property is a file that the server needs: a key store, a password, what
// JAAS and Kerberos are set up by. What else is a path may be one or not.
bool NamesFile(std::string_view property);

// A number that a server keeps in "version-2", such as currentEpoch; nullopt where it has none.
std::optional<std::int64_t> ReadEpoch(const ServerConfig& config, std::string_view name);

}  // namespace holdfast::zookeeper
