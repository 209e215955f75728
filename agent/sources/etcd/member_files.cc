#include "agent/sources/etcd/member_files.h"

#include <utility>

#include "common/base/format.h"

namespace holdfast::etcd {
namespace {

constexpr std::uint64_t kEstimateItemsMax = 100'000;

}  // namespace

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
  options.previous = previous;
  if (previous != nullptr && previous->manifest()) {
    options.previous_cut = ToUnixTime(previous->manifest()->CutTimeOf(context.node));
  }
  HF_ASSIGN(files.walker_, filetree::Walker::Create(std::move(options)));
  files.bytes_ = files.walker_->Estimate(kEstimateItemsMax).bytes;
  return files;
}

Result<std::optional<Item>> MemberFiles::Next() {
  return walker_ ? walker_->Next() : Result<std::optional<Item>>(std::nullopt);
}

void MemberFiles::Describe(Manifest& manifest, std::vector<std::string>& warnings) const {
  if (!settings_->files.empty()) manifest.details["files"] = settings_->files;
  if (settings_->kubeadm) manifest.details["kubeadm"] = control_plane_.roots;
  manifest.missing = control_plane_.missing;
  if (!walker_) return;
  const std::vector<Missing>& missing = walker_->missing();
  manifest.missing.insert(manifest.missing.end(), missing.begin(), missing.end());
  const std::vector<std::string>& walked = walker_->warnings();
  warnings.insert(warnings.end(), walked.begin(), walked.end());
}

}  // namespace holdfast::etcd
