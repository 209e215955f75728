#include "agent/sources/member/member_files.h"

#include <utility>

#include "agent/sources/member/text_item.h"
#include "common/base/format.h"

namespace holdfast {

void MemberFilesSpec::Add(const MemberProcess& found) {
  roots.insert(roots.end(), found.files.begin(), found.files.end());
  warnings.insert(warnings.end(), found.warnings.begin(), found.warnings.end());
  process = found.Encode();
}

Result<MemberFiles> MemberFiles::Open(const SourceContext& context, MemberFilesSpec spec,
                                      SnapshotView* previous) {
  MemberFiles files;
  files.prefix_ = fmt::format("members/{}", context.node);
  if (spec.process) files.process_attributes_ = DocumentAttributes(context.clock->Now());
  files.spec_ = std::move(spec);
  if (files.spec_.roots.empty()) return files;
  filetree::WalkOptions walk;
  walk.roots = files.spec_.roots;
  walk.exclude = files.spec_.exclude;
  walk.prefix = files.prefix_ + "/files";
  walk.ReuseFrom(previous, context.node);
  HF_ASSIGN(files.walker_, filetree::Walker::Create(std::move(walk)));
  files.bytes_ = files.walker_->Estimate(filetree::kEstimateItemsMax).bytes;
  return files;
}

Result<std::optional<Item>> MemberFiles::NextFile() {
  return walker_ ? walker_->Next() : Result<std::optional<Item>>(std::nullopt);
}

Result<std::optional<Item>> MemberFiles::Next() {
  HF_ASSIGN(std::optional<Item> item, NextFile());
  if (item || !spec_.process) return item;
  std::string text = *std::exchange(spec_.process, std::nullopt);
  return TextItem(prefix_ + "/process.json", std::move(text), process_attributes_);
}

void MemberFiles::Describe(Manifest& manifest, std::vector<std::string>& warnings) const {
  manifest.details.insert(spec_.details.begin(), spec_.details.end());
  manifest.missing.insert(manifest.missing.end(), spec_.missing.begin(), spec_.missing.end());
  warnings.insert(warnings.end(), spec_.warnings.begin(), spec_.warnings.end());
  if (walker_) walker_->AppendTo(manifest, warnings);
}

}  // namespace holdfast
