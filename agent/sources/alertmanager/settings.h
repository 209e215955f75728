// What agent.yaml says of an Alertmanager.
#pragma once

#include <string>
#include <vector>

#include "agent/sources/http_access.h"
#include "agent/sources/prometheus/node_files.h"
#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::alertmanager {

struct Settings : HttpAccessSettings, prometheus::NodeFilesSettings {
  std::vector<std::string> endpoints;  // without a slash at the end; empty: only good for restores
  std::string storage;                 // --storage.path of the one on this node; absolute
};

config::Schema SettingsSchema();
// kInvalidArgument, with its place, for what makes no sense together.
Result<Settings> ReadSettings(const config::Values& values);

}  // namespace holdfast::alertmanager
