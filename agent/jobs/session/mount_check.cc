#include "agent/jobs/session/mount_check.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/base/format.h"
#include "common/filetree/mounts.h"

namespace holdfast::jobs {
namespace {

// Resolves links; parts that do not exist stay as written.
std::string RealPath(const std::string& path) {
  std::error_code failure;
  std::string real = std::filesystem::weakly_canonical(path, failure).string();
  if (failure) real = std::filesystem::path(path).lexically_normal().string();
  while (real.size() > 1 && real.ends_with('/')) real.pop_back();
  return real;
}

std::string NothingMounted(const filetree::Unmounted& one) {
  return fmt::format("nothing is mounted at {}, although {} has an entry for it", Quote(one.point),
                     one.said_by);
}

}  // namespace

std::vector<ConfiguredPath> ConfiguredPaths(const JobContext& context,
                                            const SourceSettings& settings) {
  std::vector<ConfiguredPath> paths;
  for (const config::OptionSpec& option : context.FindKind(settings.kind)->options.options) {
    if (!settings.values.Has(option.name)) continue;
    if (option.type == config::OptionType::kPath) {
      paths.push_back({option.name, settings.values.Text(option.name)});
    } else if (option.type == config::OptionType::kPathList) {
      for (std::string& path : settings.values.List(option.name)) {
        paths.push_back({option.name, std::move(path)});
      }
    }
  }
  std::erase_if(paths, [](const ConfiguredPath& one) { return !one.path.starts_with('/'); });
  return paths;
}

std::vector<Missing> UnmountedPaths(const JobContext& context, const SourceSettings& settings) {
  std::vector<Missing> missing;
  for (const auto& [option, path] : ConfiguredPaths(context, settings)) {
    for (const filetree::Unmounted& one :
         filetree::FindMissingMounts(RealPath(path), context.mount_sources)) {
      missing.push_back({path, NothingMounted(one), fmt::format("mount {}", one.point)});
    }
  }
  return missing;
}

std::optional<Error> UnmountedRepository(const JobContext& context, std::string_view url) {
  constexpr std::string_view kFileUrl = "file:/";
  if (!url.starts_with(kFileUrl)) return std::nullopt;
  const std::string path = RealPath(std::string(url.substr(kFileUrl.size() - 1)));
  for (const filetree::Unmounted& one : filetree::FindMissingMounts(path, context.mount_sources)) {
    if (one.point.starts_with(path + "/")) continue;  // the repository does not need it
    return Error(ErrorCode::kUnavailable, NothingMounted(one))
        .WithHint(fmt::format("mount {}", one.point));
  }
  return std::nullopt;
}

std::vector<Missing> EmptyMountPoints(const JobContext& context, const SourceSettings& settings) {
  const Result<std::vector<std::string>> mounted = filetree::MountPoints(context.mount_sources);
  if (!mounted) return {};
  std::vector<Missing> missing;
  for (const auto& [option, path] : ConfiguredPaths(context, settings)) {
    const std::string real = RealPath(path);
    if (std::ranges::find(*mounted, real) == mounted->end()) continue;
    std::error_code failure;
    if (!std::filesystem::is_directory(real, failure) ||
        !std::filesystem::is_empty(real, failure) || failure) {
      continue;
    }
    missing.push_back(
        {path, "the file system that is mounted there is empty", "check that it is the right one"});
  }
  return missing;
}

void AddMissing(std::vector<Missing> more, std::vector<Missing>& missing) {
  for (Missing& one : more) {
    std::erase_if(missing, [&](const Missing& known) { return known.what == one.what; });
  }
  std::ranges::move(more, std::back_inserter(missing));
}

}  // namespace holdfast::jobs
