// cli.yaml: where the controller is and which keys are this operator's. docs/operating.md.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/reader.h"

namespace holdfast::cli {

inline constexpr std::string_view kDefaultControllerSocket = "/run/holdfast/controller.sock";

struct CliSettings {
  std::string file;  // absolute; empty: there is none
  // "tcp://HOST:PORT", or the path of a UNIX socket. In this order: the option, the variable
  // HOLDFAST_CONTROLLER, the file, the socket of this host.
  std::string controller;
  std::string cluster_id;       // ULID; what is signed must be for this cluster
  std::string server_key;       // Z85
  std::string server_key_file;  // instead of it
  std::string curve_key_file;
  std::string operator_key_file;
  std::vector<std::string> warnings;
};

// `config_option` empty: HOLDFAST_CONFIG, or the default file, which need not be there.
// kInvalidArgument with file, line and column for what is wrong in it.
Result<CliSettings> LoadCliSettings(const std::string& config_option,
                                    const std::string& controller_option,
                                    const config::Environment& environment);

}  // namespace holdfast::cli
