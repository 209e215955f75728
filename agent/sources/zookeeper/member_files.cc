#include "agent/sources/zookeeper/member_files.h"

#include <utility>

#include "agent/sources/host/paths.h"

namespace holdfast::zookeeper {

MemberFilesSpec FindMemberFiles(const Settings& settings, const Survey& survey) {
  MemberFilesSpec spec;
  spec.roots = settings.files;
  spec.roots.insert(spec.roots.end(), survey.config.files.begin(), survey.config.files.end());
  spec.warnings = survey.config.warnings;
  if (survey.process) spec.Add(*survey.process);
  host::SortPaths(spec.roots);
  return spec;
}

Result<MemberFiles> OpenMemberFiles(const SourceContext& context, const Settings& settings,
                                    const Survey& survey, SnapshotView* previous) {
  MemberFilesSpec spec = FindMemberFiles(settings, survey);
  if (settings.missing_is_failure)
    for (const std::string& path : spec.roots)
      if (auto found = filetree::ReadAttributes(path); !found)
        return Fail(std::move(found).error().WithHint(
            "create it, or correct what names it; \"on_missing: warn\" backs up without it"));
  return MemberFiles::Open(context, std::move(spec), previous);
}

}  // namespace holdfast::zookeeper
