#include "agent/sources/zookeeper/member_files.h"

#include <algorithm>
#include <utility>

#include "agent/sources/member/text_item.h"
#include "common/base/format.h"

namespace holdfast::zookeeper {
namespace {

Result<void> CheckThere(const std::vector<std::string>& paths) {
  for (const std::string& path : paths)
    if (auto there = filetree::ReadAttributes(path); !there)
      return Fail(std::move(there).error().WithHint(
          "create it, or correct what names it; \"on_missing: warn\" backs up without it"));
  return {};
}

}  // namespace

std::vector<std::string> MemberFilePaths(const Settings& settings, const Survey& survey) {
  std::vector<std::string> paths = settings.files;
  paths.insert(paths.end(), survey.config.files.begin(), survey.config.files.end());
  if (survey.process)
    paths.insert(paths.end(), survey.process->files.begin(), survey.process->files.end());
  std::ranges::sort(paths);
  const auto again = std::ranges::unique(paths);
  paths.erase(again.begin(), again.end());
  return paths;
}

Result<MemberFiles> MemberFiles::Prepare(const SourceContext& context, const Settings& settings,
                                         const Survey& survey, SnapshotView* previous) {
  MemberFiles files;
  files.prefix_ = fmt::format("members/{}", context.node);
  files.warnings_ = survey.config.warnings;
  if (survey.process) {
    const std::vector<std::string>& warnings = survey.process->warnings;
    files.warnings_.insert(files.warnings_.end(), warnings.begin(), warnings.end());
    files.process_ = survey.process->Encode();
    files.process_attributes_ = DocumentAttributes(context.clock->Now());
  }
  filetree::WalkOptions walk;
  walk.roots = MemberFilePaths(settings, survey);
  if (settings.missing_is_failure) HF_TRY(CheckThere(walk.roots));
  walk.prefix = files.prefix_ + "/files";
  walk.ReuseFrom(previous, context.node);
  HF_ASSIGN(files.walker_, filetree::Walker::Create(std::move(walk)));
  files.bytes_ = files.walker_->Estimate(filetree::kEstimateItemsMax).bytes;
  return files;
}

Result<std::optional<Item>> MemberFiles::Next() {
  HF_ASSIGN(std::optional<Item> item, walker_->Next());
  if (item || !process_) return item;
  std::string text = *std::exchange(process_, std::nullopt);
  return TextItem(prefix_ + "/process.json", std::move(text), process_attributes_);
}

void MemberFiles::Describe(Manifest& manifest, std::vector<std::string>& warnings) const {
  warnings.insert(warnings.end(), warnings_.begin(), warnings_.end());
  walker_->AppendTo(manifest, warnings);
}

}  // namespace holdfast::zookeeper
