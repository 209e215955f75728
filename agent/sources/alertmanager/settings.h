// The options of an Alertmanager source.
#pragma once

#include <string>
#include <vector>

#include "agent/sources/member/http_access.h"
#include "agent/sources/member/kingpin_files.h"
#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::alertmanager {

struct Settings : HttpAccessSettings, KingpinFilesSettings {
  std::vector<std::string> endpoints;  // no trailing slash; empty: restores only
  std::string storage;                 // --storage.path of this node's server; absolute
};

config::Schema SettingsSchema();
// kInvalidArgument, with the position, if options contradict each other.
Result<Settings> ReadSettings(const config::Values& values);

}  // namespace holdfast::alertmanager
