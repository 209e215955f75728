// The files of a HAProxy on this host: every file that its configuration names, the symlinks on the
// way, and files that the source names.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/sources/haproxy/follower.h"
#include "agent/sources/haproxy/settings.h"
#include "common/stream/manifest.h"

namespace holdfast::haproxy {

struct Survey {
  // Existing paths to save, ascending, without symlinks in their directories. A directory includes
  // everything below it.
  std::vector<std::string> roots;
  // The directives that name the roots, for messages. Not every root has one.
  std::map<std::string, std::string> places;
  // Directories that HAProxy loads completely, with symlinks resolved: those with certificates, and
  // those given with -f, of which only names ending in ".cfg" count.
  std::vector<std::string> certificate_directories;
  std::vector<std::string> config_directories;
  // What the configuration or the source names, whether it exists or not, with symlinks resolved. A
  // restore in place may write these paths, and everything below those that are directories.
  std::vector<std::string> named;
  std::vector<Missing> missing;
  std::vector<std::string> warnings;
  bool has_config = false;  // at least one configuration file could be read

  bool operator==(const Survey&) const = default;
};

Survey TakeSurvey(const Settings& settings);

}  // namespace holdfast::haproxy
