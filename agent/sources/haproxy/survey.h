// What belongs to a HAProxy on this host: every file that its configuration names, wherever
// symlinks lead, and what the source names beside.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/sources/haproxy/follower.h"
#include "agent/sources/haproxy/settings.h"
#include "common/stream/manifest.h"

namespace holdfast::haproxy {

struct Survey {
  // Paths to save, ascending, without symlinks on the way to them; a directory stands for all below
  // it. Only such as exist.
  std::vector<std::string> roots;
  // The directives behind the roots, for messages; not every root has one.
  std::map<std::string, std::string> places;
  // Directories that HAProxy loads whole, without symlinks: of certificates, and after -f, where
  // only names in ".cfg" count.
  std::vector<std::string> certificate_directories;
  std::vector<std::string> config_directories;
  std::vector<Missing> missing;
  std::vector<std::string> warnings;
  bool has_config = false;  // at least one configuration file could be read

  bool operator==(const Survey&) const = default;
};

Survey TakeSurvey(const Settings& settings);

}  // namespace holdfast::haproxy
