#include "agent/sources/files/backup.h"

#include <sys/utsname.h>

#include <algorithm>
#include <utility>

#include "common/base/format.h"
#include "common/filetree/background_counter.h"
#include "common/filetree/exclude.h"
#include "common/filetree/mounts.h"

namespace holdfast::files {
namespace {

constexpr std::uint64_t kCountedAtOnce = 2'000;  // takes a few milliseconds
constexpr std::uint64_t kProbeItemsMax = 20'000;

std::map<std::string, std::string> HostIdentity() {
  utsname system{};
  if (uname(&system) != 0) return {};
  return {{"host", system.nodename}, {"kernel", system.release}};
}

std::uint64_t CountThere(const std::vector<filetree::Root>& roots) {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(roots, [](const filetree::Root& root) { return root.exists; }));
}

std::unexpected<Error> NothingThere(const filetree::Walker& walker) {
  const Missing& first = walker.missing().front();
  return Fail(ErrorCode::kNotFound,
              fmt::format("none of the paths can be saved: {} {}", Quote(first.what), first.reason),
              first.remedy);
}

class Session final : public BackupSession {
 public:
  Session(const SourceContext& context, const Settings& settings, const BackupSpec& spec)
      : context_(context), settings_(settings), previous_(spec.previous), staged_(spec.staged) {}

  Result<void> Prepare(std::stop_token stop) override {
    stop_ = std::move(stop);
    HF_TRY(CheckStop(stop_));
    filetree::WalkOptions options = MakeWalkOptions(settings_, previous_);
    for (const std::string& path : staged_) {
      options.exclude.push_back(filetree::LiteralPattern(path));
    }
    HF_ASSIGN(walker_, filetree::Walker::Create(options));
    if (CountThere(walker_->roots()) == 0) return NothingThere(*walker_);
    count_.emplace(options, kCountedAtOnce);
    return {};
  }

  // Files have no common point in time. The cut only tells later backups which files to read again.
  Result<void> Cut() override {
    HF_TRY(CheckStop(stop_));
    cut_ = context_.clock->Now();
    return {};
  }

  Result<std::optional<Item>> Next() override {
    HF_TRY(CheckStop(stop_));
    HF_ASSIGN(std::optional<Item> item, walker_->Next());
    is_at_end_ = !item;
    return item;
  }

  Result<Manifest> Finish() override {
    HF_CHECK(is_at_end_);
    Manifest manifest;
    manifest.identity = HostIdentity();
    manifest.method = "file walk";
    manifest.consistency = "per file";
    manifest.cut_time = cut_;
    manifest.position["cut"] = FormatTime(cut_);
    manifest.details = Selection();
    manifest.missing = walker_->missing();
    manifest.warnings = walker_->warnings();
    return manifest;
  }

  std::uint64_t bytes_total() const override { return count_ ? count_->bytes() : 0; }

 private:
  // What is saved, for the manifest.
  std::map<std::string, std::vector<std::string>> Selection() const {
    std::map<std::string, std::vector<std::string>> details;
    for (const filetree::Root& root : walker_->roots()) {
      if (root.exists) details[kRootsDetail].push_back(root.path);
      details[kPathsDetail].push_back(root.given);
    }
    if (!settings_.exclude.empty()) details[kExcludeDetail] = settings_.exclude;
    if (settings_.one_file_system) details[kLimitsDetail].push_back("one_file_system");
    if (settings_.skip_cache_dirs) details[kLimitsDetail].push_back("skip_cache_dirs");
    return details;
  }

  const SourceContext& context_;
  const Settings& settings_;
  SnapshotView* previous_;
  const std::vector<std::string> staged_;
  std::stop_token stop_;
  std::unique_ptr<filetree::Walker> walker_;
  WallTime cut_{};
  std::optional<filetree::BackgroundCounter> count_;
  bool is_at_end_ = false;
};

// Lists the paths, and warns about those that a restore in place would refuse.
void DescribeRoots(const std::vector<filetree::Root>& roots, SourceInfo& info) {
  for (const filetree::Root& root : roots) {
    if (!root.exists) continue;
    info.would_save.push_back(root.path);
    Result<std::vector<std::string>> mounts = filetree::MountPointsBelow(root.path);
    if (!mounts || mounts->empty()) continue;
    std::string where =
        mounts->front() == root.path
            ? "is a mount point"
            : fmt::format("has a file system mounted at {}", Quote(mounts->front()));
    info.warnings.push_back(fmt::format("{} {}: it can be restored to a directory, not in place",
                                        Quote(root.path), where));
  }
}

}  // namespace

filetree::WalkOptions MakeWalkOptions(const Settings& settings, SnapshotView* previous) {
  filetree::WalkOptions options;
  options.roots = settings.paths;
  options.exclude = settings.exclude;
  options.one_file_system = settings.one_file_system;
  options.skip_cache_dirs = settings.skip_cache_dirs;
  options.prefix = kDataPrefix;
  options.ReuseFrom(previous);
  return options;
}

std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec) {
  return std::make_unique<Session>(context, settings, spec);
}

Result<SourceInfo> ProbeFiles(const Settings& settings, std::stop_token stop) {
  HF_ASSIGN(std::unique_ptr<filetree::Walker> walker,
            filetree::Walker::Create(MakeWalkOptions(settings, nullptr)));
  SourceInfo info;
  info.identity = HostIdentity();
  DescribeRoots(walker->roots(), info);
  std::uint64_t there = CountThere(walker->roots());
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  bool is_whole = false;
  while (items < kProbeItemsMax && !is_whole) {
    HF_TRY(CheckStop(stop));
    HF_ASSIGN(std::optional<Item> item, walker->Next());
    is_whole = !item;
    if (is_whole) break;
    ++items;
    bytes += item->attributes.size;
  }
  info.healthy = there == walker->roots().size();
  info.health = fmt::format("found {} of {}", there, FormatCount(walker->roots().size(), "path"));
  info.would_save.push_back(fmt::format("{}{}, {}", is_whole ? "" : "more than ",
                                        FormatCount(items, "item"), FormatBytes(bytes)));
  info.missing = walker->missing();
  info.warnings.insert(info.warnings.end(), walker->warnings().begin(), walker->warnings().end());
  return info;
}

}  // namespace holdfast::files
