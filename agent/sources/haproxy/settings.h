// Options of a HAProxy source.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/haproxy/follower.h"
#include "agent/sources/haproxy/tokenizer.h"
#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::haproxy {

// How to make a running HAProxy load its new configuration.
struct ReloadMethod {
  enum class Via : std::uint8_t { kSystemd, kPidFile, kMasterSocket };
  Via via = Via::kSystemd;
  std::string target;  // the unit, or the path of the pid file or socket

  // "systemd:UNIT", "pidfile:FILE", "master:SOCKET". kInvalidArgument for anything else.
  static Result<ReloadMethod> Parse(std::string_view text);
  std::string Text() const;
};

struct Settings {
  std::vector<std::string> config;  // absolute files and directories, as given with -f
  std::optional<ReloadMethod> reload;
  std::string socket;  // of the runtime API; empty: runtime state is not saved
  std::string binary = "haproxy";
  std::vector<std::string> files;  // further absolute paths to save
  bool missing_is_failure = false;
  Variables environment;         // of HAProxy, if its configuration uses variables
  std::string environment_file;  // empty: none
  std::string directory = "/";   // HAProxy's working directory

  FollowOptions Follow() const { return {config, directory, environment}; }
};

config::Schema SettingsSchema();
// Also reads the environment file; kNotFound or kDenied if it cannot be read.
Result<Settings> ReadSettings(const config::Values& values);

}  // namespace holdfast::haproxy
