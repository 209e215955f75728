// controller.yaml as typed settings: where the controller listens, its keys, and how much it runs
// at once. Keys, defaults and environment variables: docs/operating.md.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/reader.h"
#include "common/config/schema.h"

namespace holdfast::controller {

inline constexpr std::string_view kDefaultControllerConfig = "/etc/holdfast/controller.yaml";

// A socket of the bus: where it listens, and how others reach it.
struct ListenSettings {
  std::string listen;    // "tcp://*:7733"
  std::string endpoint;  // "tcp://backup-1:7733"
};

// What a caller of the admin interface may do. docs/operating.md#rights.
enum class AdminRight : std::uint8_t { kRead, kBackups, kAgents, kCatalog, kTrust };
// "backups": its name in controller.yaml.
std::string_view AdminRightName(AdminRight right);
// Those that controller.yaml grants. Every caller who may connect can read.
inline constexpr std::array kGrantedRights = {AdminRight::kBackups, AdminRight::kAgents,
                                              AdminRight::kCatalog, AdminRight::kTrust};

// The holder of a right, as in controller.yaml: "user:anna", "group:ops", or "operator:anna" for a
// person who connects from another host.
struct AdminHolder {
  enum class Kind : std::uint8_t { kUser, kGroup, kOperator };
  Kind kind = Kind::kUser;
  std::string name;  // or the number of a user or group
};
// kInvalidArgument.
Result<AdminHolder> ParseAdminHolder(std::string_view text);

// A plain value. Files are absolute paths; none has been opened.
struct ControllerSettings {
  std::string file;
  std::string cluster;
  std::string state_dir;
  std::string root_file;
  std::string signing_key_file;
  ListenSettings bus;
  std::string bus_key_file;
  ListenSettings join;

  std::string admin_socket;
  std::string admin_group;                             // of the socket; empty: the process's group
  std::string admin_listen;                            // empty: operators use only the socket
  std::map<std::string, std::string> admin_operators;  // person -> CURVE key as text
  config::Values admin;                                // for the locations of these
  config::Values admin_rights;                         // by name of the right: lists of holders
  std::string admin_catalog_dir;                       // where copies of the catalog are

  std::chrono::milliseconds cut_barrier{2'000};
  // How fast tasks start to save to one repository: this many at once, then this many a minute.
  std::uint32_t saves_at_once = 50;
  std::uint32_t saves_per_minute = 600;
  std::chrono::hours run_deadline{12};

  config::Values values;              // for the locations of these settings
  std::vector<std::string> warnings;  // e.g. a variable that overrides nothing
};

// Reads and checks the file. Every mistake is kInvalidArgument with file, line and column, also if
// the file does not exist. Opens no other file.
Result<ControllerSettings> LoadControllerSettings(const std::string& path,
                                                  const config::Environment& environment);
// The same for a text already read; `path` must be absolute.
Result<ControllerSettings> ParseControllerSettings(std::string_view text, const std::string& path,
                                                   const config::Environment& environment);

}  // namespace holdfast::controller
