// What agent.yaml says of an Alertmanager.
#pragma once

#include <string>
#include <vector>

#include "agent/sources/http_access.h"
#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::alertmanager {

struct Settings : HttpAccessSettings {
  std::vector<std::string> endpoints;  // without a slash at the end; empty: only good for restores
  std::string storage;                 // --storage.path of the one on this node; absolute
  std::string config;                  // empty: where the process says
  std::vector<std::string> files;      // further absolute paths to save
  bool missing_is_failure = false;
};

config::Schema SettingsSchema();
// kInvalidArgument, with its place, for what makes no sense together.
Result<Settings> ReadSettings(const config::Values& values);

}  // namespace holdfast::alertmanager
