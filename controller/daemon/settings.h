// controller.yaml as typed settings: where the controller listens, its keys, and how much it runs
// at once. Keys, defaults and environment variables: docs/operating.md.
#pragma once

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
