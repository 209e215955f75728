#include "agent/sources/haproxy/survey.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "agent/sources/haproxy/file_space.h"
#include "agent/sources/host/paths.h"
#include "common/base/format.h"

namespace holdfast::haproxy {

namespace {

// Adds what a restore in place may write of the paths that are named: files, directories, and the
// symlinks that lead to a file. Symlinks that lead to a directory are not among them: a restore
// would move everything below them. `may_cover_much`: see CoversTooMuch().
template <typename Paths>
void AddWritable(const Paths& paths, const LiveFiles& live, bool may_cover_much,
                 std::vector<std::string>& writable) {
  for (const std::string& path : paths) {
    const std::vector<std::string> resolved = ResolvedPaths(path);
    if (live.Type(resolved.back()) == FileType::kDirectory) {
      if (may_cover_much || !CoversTooMuch(resolved.back())) writable.push_back(resolved.back());
      continue;
    }
    std::ranges::copy_if(resolved, std::back_inserter(writable), [&live](const std::string& one) {
      return live.Type(one) != FileType::kDirectory;
    });
  }
}

}  // namespace

Survey TakeSurvey(const Settings& settings) {
  LiveFiles live;
  Followed followed = FollowConfig(settings.Follow(), live);
  NamedFiles named = CollectFiles(followed, live);
  Survey survey;
  survey.has_config = followed.config_files > 0;
  survey.missing = std::move(named.missing);
  survey.warnings = std::move(named.warnings);

  std::set<std::string> roots;
  auto add = [&](const std::string& path, const std::string& place) {
    for (std::string& resolved : ResolvedPaths(path)) {
      survey.places.try_emplace(resolved, place);
      roots.insert(std::move(resolved));
    }
  };
  for (const auto& [path, origin] : named.files) add(path, origin.place);
  for (const std::string& path : named.trees) add(path, "lua-prepend-path");
  std::vector<std::string> further = settings.files;
  if (!settings.environment_file.empty()) further.push_back(settings.environment_file);
  for (const std::string& path : further) {
    if (live.Type(path) == FileType::kNone) {
      survey.missing.push_back({path, "does not exist, named in the source's \"files\"",
                                "recreate it, or correct the source"});
    } else {
      add(path, "files");
    }
  }
  auto resolve = [&](const std::vector<std::string>& paths) {
    std::set<std::string> directories;
    for (const std::string& path : paths) {
      // Symlinks that lead to a directory belong to the configuration like any file.
      std::vector<std::string> resolved = ResolvedPaths(path);
      directories.insert(resolved.back());
      resolved.pop_back();
      roots.insert(resolved.begin(), resolved.end());
    }
    return std::vector<std::string>(directories.begin(), directories.end());
  };
  survey.certificate_directories = resolve(named.certificate_directories);
  survey.config_directories = resolve(followed.config_directories);
  survey.roots.assign(roots.begin(), roots.end());
  AddWritable(named.readable, live, false, survey.named);
  // The node's owner may name any directory in agent.yaml.
  AddWritable(settings.config, live, true, survey.named);
  AddWritable(further, live, true, survey.named);
  host::SortPaths(survey.named);
  return survey;
}

}  // namespace holdfast::haproxy
