// zoo.cfg and the dynamic configuration that it may name: where a server has its data, the other
// members, and the files that it needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/member/java_properties.h"
#include "agent/sources/zookeeper/server_answer.h"
#include "agent/sources/zookeeper/settings.h"
#include "common/base/result.h"

namespace holdfast::zookeeper {

// Size limits of files: for a configuration, and for one that holds a number, such as myid.
inline constexpr std::size_t kConfigBytesMax = 1U << 20;
inline constexpr std::size_t kNumberBytesMax = 64;

// The value as a server reads it, without blanks around it; empty if it is missing.
std::string TrimmedPropertyOf(const JavaProperties& properties, const std::string& name);

// One line "server.<id>=<host>:<port>:<port>[:<role>][|...][;[<client host>:]<client port>]".
struct ConfiguredMember {
  std::string id;
  std::string address;  // the part before ";"
  std::string host;     // of the first address
  bool is_observer = false;
  std::optional<Address> client;  // for clients; nullopt: not given
  bool operator==(const ConfiguredMember&) const = default;
};
// nullopt if the value is malformed.
std::optional<ConfiguredMember> ParseMember(std::string_view id, std::string_view value);

struct ServerConfig {
  JavaProperties properties;
  std::string data_dir;
  std::string log_dir;                    // the same if there is no dataLogDir
  std::string dynamic_file;               // empty: none
  std::vector<ConfiguredMember> members;  // by id; empty: standalone
  std::string my_id;                      // empty: none
  std::optional<Address> client;          // of this server
  std::vector<std::string> files;  // the configuration and files it names, even missing; sorted
  std::vector<std::string> warnings;

  bool is_ensemble() const { return !members.empty(); }
  // Client addresses of the other members, as far as known: from the dynamic configuration, or with
  // the same port as here.
  std::vector<Address> OtherClients() const;
};

// `settings` take precedence over the files.
Result<ServerConfig> ReadServerConfig(const Settings& settings);

// Whether the value of a property is a file that the server needs: a key store, a password, the
// configuration of JAAS or Kerberos. Any other path may or may not be a file.
bool NamesFile(std::string_view property);

// A number that a server stores in "version-2", e.g. currentEpoch; nullopt if it cannot be read.
std::optional<std::int64_t> ReadEpoch(const ServerConfig& config, std::string_view name);

}  // namespace holdfast::zookeeper
