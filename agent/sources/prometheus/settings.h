// What agent.yaml says of a Prometheus.
#pragma once

#include <string>
#include <vector>

#include "agent/sources/http_access.h"
#include "agent/sources/prometheus/node_files.h"
#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::prometheus {

struct Settings : HttpAccessSettings, NodeFilesSettings {
  std::string data_dir;  // --storage.tsdb.path, or --storage.agent.path; absolute
  std::string url;       // without a slash at the end; empty: the server is not asked
};

config::Schema SettingsSchema();
// kInvalidArgument, with its place, for what makes no sense together.
Result<Settings> ReadSettings(const config::Values& values);

}  // namespace holdfast::prometheus
