// cli.yaml: where the controller is, and this operator's keys. docs/operating.md.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/reader.h"

namespace holdfast::cli {

inline constexpr std::string_view kDefaultControllerSocket = "/run/holdfast/controller.sock";

struct CliSettings {
  std::string file;  // absolute; empty: no file
  // "tcp://HOST:PORT", or the path of a UNIX socket. Taken from, in this order: the option, the
  // variable HOLDFAST_CONTROLLER, the file, the socket of this host.
  std::string controller;
  std::string root_file;  // the pinned root document
  std::string curve_key_file;
  std::string operator_key_file;
  std::vector<std::string> warnings;
};

// Empty `config_option`: HOLDFAST_CONFIG, or the default file, which need not exist.
// kInvalidArgument with file, line and column for mistakes in it.
Result<CliSettings> LoadCliSettings(const std::string& config_option,
                                    const std::string& controller_option,
                                    const config::Environment& environment);

}  // namespace holdfast::cli
