#include "agent/sources/etcd/member_files.h"

#include <utility>

#include "common/base/format.h"

namespace holdfast::etcd {

Result<MemberFiles> MemberFiles::Prepare(const SourceContext& context, const Settings& settings,
                                         SnapshotView* previous) {
  MemberFiles files(settings);
  files.control_plane_ = FindControlPlaneFiles(settings);
  filetree::WalkOptions options;
  options.roots = settings.files;
  options.roots.insert(options.roots.end(), files.control_plane_.roots.begin(),
                       files.control_plane_.roots.end());
  if (options.roots.empty()) return files;
  options.prefix = fmt::format("members/{}/files", context.node);
  options.ReuseFrom(previous, context.node);
  HF_ASSIGN(files.walker_, filetree::Walker::Create(std::move(options)));
  files.bytes_ = files.walker_->Estimate(filetree::kEstimateItemsMax).bytes;
  return files;
}

Result<std::optional<Item>> MemberFiles::Next() {
  return walker_ ? walker_->Next() : Result<std::optional<Item>>(std::nullopt);
}

void MemberFiles::Describe(Manifest& manifest, std::vector<std::string>& warnings) const {
  if (!settings_->files.empty()) manifest.details["files"] = settings_->files;
  if (settings_->kubeadm) manifest.details["kubeadm"] = control_plane_.roots;
  manifest.missing = control_plane_.missing;
  if (walker_) walker_->AppendTo(manifest, warnings);
}

}  // namespace holdfast::etcd
