// The options of a Prometheus source.
#pragma once

#include <string>

#include "agent/sources/member/http_access.h"
#include "agent/sources/member/kingpin_files.h"
#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::prometheus {

struct Settings : HttpAccessSettings, KingpinFilesSettings {
  std::string data_dir;  // --storage.tsdb.path, or --storage.agent.path; absolute
  std::string url;       // no trailing slash; empty: the server is not queried
};

config::Schema SettingsSchema();
// kInvalidArgument, with the position, if options contradict each other.
Result<Settings> ReadSettings(const config::Values& values);

}  // namespace holdfast::prometheus
