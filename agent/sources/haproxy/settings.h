// The options of a HAProxy source, typed.
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

// How a running HAProxy is told to take its new configuration.
struct ReloadMethod {
  enum class Via : std::uint8_t { kSystemd, kPidFile, kMasterSocket };
  Via via = Via::kSystemd;
  std::string target;  // the unit; the pid file's or the socket's path

  // "systemd:UNIT", "pidfile:FILE", "master:SOCKET". kInvalidArgument for anything else.
  static Result<ReloadMethod> Parse(std::string_view text);
  std::string Text() const;
};

struct Settings {
  std::vector<std::string> config;  // absolute files and directories, as after -f
  std::optional<ReloadMethod> reload;
  std::string socket;  // of the runtime API; empty: what only the process knows is not saved
  std::string binary = "haproxy";
  std::vector<std::string> files;  // further absolute paths to save
  bool missing_is_failure = false;
  Variables environment;         // of HAProxy, where its configuration uses variables
  std::string environment_file;  // empty: none
  std::string directory = "/";   // where HAProxy runs

  FollowOptions Follow() const { return {config, directory, environment}; }
};

config::Schema SettingsSchema();
// Reads the environment file too; kNotFound or kDenied when it cannot be read.
Result<Settings> ReadSettings(const config::Values& values);

}  // namespace holdfast::haproxy
