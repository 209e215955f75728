// The files that a configuration of Prometheus or Alertmanager names: rules, targets, templates,
// certificates, passwords. Which they are is told by the names of its keys, so that what a newer
// version can name is found, too.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/stream/manifest.h"

namespace holdfast::prometheus {

struct NamedPath {
  std::string path;         // absolute
  bool is_pattern = false;  // as of filepath.Match of Go
  bool is_config = false;   // what it names is a configuration itself
  std::string place;        // "/etc/prometheus/prometheus.yml:12"
};

// Of a configuration that lies at `file`, an absolute path. kInvalidArgument for what is no YAML.
Result<std::vector<NamedPath>> FindNamedPaths(std::string_view text, const std::string& file);

// Gathers what is there of them and what is not.
class NamedFiles {
 public:
  // A file that `place` names: a flag, or a line of a configuration.
  void Add(const std::string& path, const std::string& place);
  // Likewise a configuration, with all that it names. The errors of the first one are the caller's:
  // kNotFound, kInvalidArgument for what is no YAML.
  Result<void> AddConfig(const std::string& path, const std::string& place);

  // Absolute paths of files and of the symlinks that lead to them; sorted.
  std::vector<std::string> roots() const;
  const std::vector<Missing>& missing() const { return missing_; }

 private:
  bool AddPath(const std::string& path);
  void AddNamed(const NamedPath& named);
  void AddNested(const std::string& path, const std::string& place);
  void AddMissing(const std::string& path, const std::string& place, std::string reason,
                  std::string remedy = "create it, or correct what names it");

  std::vector<std::string> roots_;
  std::vector<std::string> configs_;  // read already
  std::vector<Missing> missing_;
};

}  // namespace holdfast::prometheus
