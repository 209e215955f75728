// Finds the files that a configuration of Prometheus or Alertmanager names: rules, targets,
// templates, certificates, passwords. Patterns of keys identify them, also in newer versions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/stream/manifest.h"

namespace holdfast {

struct ReferencedPath {
  std::string path;         // absolute
  bool is_pattern = false;  // of Go's filepath.Match
  bool is_config = false;   // the files are configurations too
  std::string place;        // "/etc/prometheus/prometheus.yml:12"
};

// `file` is the absolute path of the configuration. kInvalidArgument if it is not YAML.
Result<std::vector<ReferencedPath>> FindReferencedPaths(std::string_view text,
                                                        const std::string& file);

// Collects the existing files, and what is missing.
class ReferencedFiles {
 public:
  // Adds a file. `place` names it: a flag, or a line of a configuration.
  void Add(const std::string& path, const std::string& place);
  // Adds a configuration and all files that it names. Fails only for this configuration itself:
  // kNotFound, or kInvalidArgument if it is not YAML.
  Result<void> AddConfig(const std::string& path, const std::string& place);

  // Absolute paths of files and of symlinks to them; sorted.
  std::vector<std::string> roots() const;
  const std::vector<Missing>& missing() const { return missing_; }

 private:
  bool AddPath(const std::string& path);
  void AddNamed(const ReferencedPath& named);
  void AddNested(const std::string& path, const std::string& place);
  void AddMissing(const std::string& path, const std::string& place, std::string reason,
                  std::string remedy = "create it, or correct what names it");

  std::vector<std::string> roots_;
  std::vector<std::string> configs_;  // already read
  std::vector<Missing> missing_;
};

}  // namespace holdfast
