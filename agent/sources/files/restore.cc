// Method "in-place": replaces the live files with those of a snapshot. The new files are staged
// beside the live ones, compared with the snapshot, and exchanged under a journal. A snapshot
// without a manifest is refused with kUnsupported.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/sources/files/carry_over.h"
#include "agent/sources/files/preview.h"
#include "agent/sources/files/restore_plan.h"
#include "agent/sources/restore_method.h"
#include "agent/sources/source.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/base/ulid.h"
#include "common/filetree/beneath.h"
#include "common/filetree/metadata.h"
#include "common/filetree/swap_set.h"
#include "common/filetree/tree_writer.h"
#include "common/io/fd.h"

namespace holdfast::files {
namespace {

// Compares staged files with the snapshot: type, size, mode, owner, link target. Contents were
// verified while they were written.
class Comparison {
 public:
  // `directory` is the open directory that contains `staged`.
  Comparison(int directory, std::string staged, std::string target)
      : directory_(directory), staged_(std::move(staged)), target_(std::move(target)) {}

  // `relative` is the path below the target; empty for the target itself.
  Result<void> Compare(const std::string& relative, const Attributes& wanted) {
    HF_TRY(OpenParent(relative));
    const std::string name(BaseName(relative.empty() ? staged_ : relative));
    struct stat status {};
    if (fstatat(parent_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return Differs(relative, "it does not exist");
    }
    Attributes found = filetree::FromStat(status);
    if (found.type != wanted.type) return Differs(relative, "it is of another type");
    if (found.type == NodeType::kFile && found.size != wanted.size) {
      return Differs(relative,
                     fmt::format("it has {}; expected {}", FormatCount(found.size, "byte"),
                                 FormatCount(wanted.size)));
    }
    if (found.type == NodeType::kSymlink) {
      HF_ASSIGN(std::string link, filetree::ReadLinkTarget(parent_.get(), name, staged_));
      if (link != wanted.link_target) return Differs(relative, "it has another target");
    } else if (found.mode != wanted.mode) {
      return Differs(relative,
                     fmt::format("it has mode {:o}, expected {:o}", found.mode, wanted.mode));
    }
    if (found.uid != wanted.uid || found.gid != wanted.gid) {
      return Differs(relative, fmt::format("it belongs to {}:{}, expected {}:{}", found.uid,
                                           found.gid, wanted.uid, wanted.gid));
    }
    return {};
  }

 private:
  Result<void> OpenParent(const std::string& relative) {
    // Relative to the directory that contains `staged_`.
    const std::string name(BaseName(staged_));
    const std::string parent(relative.empty() ? "" : PathAbove(name + "/" + relative));
    if (parent_path_ == parent) return {};
    HF_ASSIGN(parent_, filetree::OpenDirectoryBeneath(directory_, parent,
                                                      ParentPath(staged_) + "/" + parent));
    parent_path_ = parent;
    return {};
  }

  std::unexpected<Error> Differs(const std::string& relative, const std::string& how) const {
    std::string what = relative.empty() ? target_ : target_ + "/" + relative;
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("the staged copy of {} differs from the snapshot: {}", Quote(what), how),
        "see the warnings of the restore; --to restores what this system supports");
  }

  const int directory_;
  std::string staged_;
  std::string target_;
  Fd parent_;
  std::optional<std::string> parent_path_;
};

class InPlaceSession final : public RestoreSession {
 public:
  InPlaceSession(const SourceContext& context, Settings settings, RestoreScope scope,
                 const InPlaceSpec& spec)
      : context_(context),
        settings_(std::move(settings)),
        scope_(std::move(scope)),
        snapshot_(*spec.snapshot),
        rule_(MakeRule(spec.policy, settings_)),
        carry_over_(settings_, snapshot_, spec.keep_others),
        swap_([journal = spec.journal](std::string_view state) { return journal->Record(state); }) {
  }

  ~InPlaceSession() override {
    // What was exchanged is left to Rollback() or, after a crash, to InPlaceRestore::recover.
    if (!swap_.is_swapped() && !is_committing_) (void)swap_.Rollback();
  }

  Result<void> Preflight(std::stop_token stop) override {
    HF_ASSIGN(plan_, PlanRestore(snapshot_, rule_, scope_, std::move(stop)));
    std::string id = MakeUlid(*context_.clock, *context_.random);
    for (const Target& target : plan_.targets) {
      HF_ASSIGN(std::string staged, swap_.StagingPath(target.path, id));
      staged_.push_back(std::move(staged));
    }
    return {};
  }

  Result<std::vector<std::string>> Preview(const ChangeVisitor& visit,
                                           std::stop_token stop) override {
    HF_ASSIGN(const PreviewCounts counts,
              PreviewRestore(plan_, snapshot_, carry_over_, visit, std::move(stop)));
    std::vector<std::string> lines = plan_.left_alone.Lines(rule_);
    lines.insert(lines.end(), plan_.notes.begin(), plan_.notes.end());
    lines.push_back(FormatCount(counts.unchanged, "other item") + " unchanged");
    if (counts.kept > 0) {
      lines.push_back(fmt::format("would keep {} that the snapshot leaves out",
                                  FormatCount(counts.kept, "item")));
    }
    return lines;
  }

  Result<void> Stage(Progress& progress, std::stop_token stop) override {
    progress.items_total = plan_.items;
    progress.bytes_total = plan_.bytes;
    HF_TRY(swap_.BeginStaging());
    for (std::size_t i = 0; i < plan_.targets.size(); ++i) {
      HF_TRY(CheckStop(stop));
      HF_TRY(StageTarget(plan_.targets[i], staged_[i], progress, stop));
    }
    return {};
  }

  std::vector<std::string> StagedPaths() const override { return staged_; }

  Result<void> Validate(std::stop_token stop) override {
    for (std::size_t i = 0; i < plan_.targets.size(); ++i) {
      const Target& target = plan_.targets[i];
      Comparison comparison(swap_.DirectoryOf(target.path), staged_[i], target.path);
      HF_TRY(comparison.Compare("", target.attributes));
      for (const std::string& root : target.roots) {
        HF_TRY(ValidateRoot(comparison, target, root, stop));
      }
    }
    return {};
  }

  Result<void> Swap(std::stop_token /*stop*/) override { return swap_.Swap(); }

  Result<void> Verify(std::stop_token /*stop*/) override {
    for (const filetree::SwapSet::Entry& entry : swap_.entries()) {
      struct stat status {};
      if (lstat(entry.target.c_str(), &status) != 0) {
        return Fail(ErrnoError(errno, "stat " + Quote(entry.target)));
      }
      // A service may replace its file at once; a directory must be the one that was swapped in.
      if (S_ISDIR(status.st_mode) && status.st_ino != entry.staged_inode) {
        return Fail(filetree::Replaced(entry.target));
      }
    }
    return {};
  }

  Result<void> Commit() override {
    // Entries that were created in an excluded directory after staging are only in the old one.
    HF_TRY(CarryOverFromOld());
    is_committing_ = true;
    return swap_.Commit();
  }

  Result<void> Rollback() override { return swap_.Rollback(); }

  std::vector<std::string> Changes() const override {
    // First, because a report to the controller has only the first lines.
    std::vector<std::string> changes = plan_.left_alone.Lines(rule_);
    for (const Target& target : plan_.targets) {
      changes.push_back(
          fmt::format("{} {}", target.is_there ? "replaced" : "created", target.path));
    }
    if (carry_over_.items() > 0) {
      changes.push_back(fmt::format("kept {} that the snapshot leaves out",
                                    FormatCount(carry_over_.items(), "item")));
    }
    changes.insert(changes.end(), plan_.notes.begin(), plan_.notes.end());
    changes.insert(changes.end(), warnings_.begin(), warnings_.end());
    return changes;
  }

 private:
  static bool IsRoot(const Target& target) { return target.roots.front() == target.path; }

  // Opens a target, or what is staged for one; nullopt if it is not a directory.
  Result<std::optional<Fd>> OpenBeside(const std::string& path) const {
    const int directory = swap_.DirectoryOf(path);
    const std::string name(BaseName(path));
    struct stat status {};
    const bool is_directory = fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                              S_ISDIR(status.st_mode);
    if (!is_directory) return std::nullopt;
    HF_ASSIGN(Fd opened, filetree::OpenDirectoryBeneath(directory, name, path));
    return opened;
  }

  Result<void> StageTarget(const Target& target, const std::string& staged, Progress& progress,
                           std::stop_token stop) {
    const bool is_directory = target.attributes.type == NodeType::kDirectory;
    Fd made;
    if (is_directory) {
      HF_ASSIGN(made, swap_.MakeDirectory(staged));
    }
    HF_ASSIGN(auto writer, is_directory
                               ? filetree::TreeWriter::Open(staged, {.opened = made.get()})
                               : filetree::TreeWriter::Open(ParentPath(staged),
                                                            {.opened = swap_.DirectoryOf(staged)}));
    if (is_directory) {
      HF_TRY(StageDirectory(*writer, target, staged, progress, std::move(stop)));
    } else {
      HF_TRY(StageSingle(*writer, target, std::string(BaseName(staged)), progress));
    }
    HF_TRY(writer->Finish());
    warnings_.insert(warnings_.end(), writer->warnings().begin(), writer->warnings().end());
    return {};
  }

  Result<void> StageSingle(filetree::TreeWriter& writer, const Target& target,
                           const std::string& name, Progress& progress) {
    if (target.attributes.type == NodeType::kFile) {
      HF_ASSIGN(auto content, snapshot_.Open(SnapshotPath(target.path)));
      HF_TRY(writer.AddFile(name, target.attributes, *content));
      progress.bytes += target.attributes.size;
    } else {
      HF_TRY(writer.AddOther(name, target.attributes));
    }
    ++progress.items;
    return {};
  }

  // The writer sets the attributes of the directory itself after everything below it is written.
  Result<void> StageDirectory(filetree::TreeWriter& writer, const Target& target,
                              const std::string& staged, Progress& progress, std::stop_token stop) {
    writer.SetTop(target.attributes);
    ExtractOptions extract;
    extract.strip = SnapshotPath(target.path);
    extract.opened = writer.top();
    for (const std::string& root : target.roots) {
      HF_TRY(AddDirectoriesAbove(writer, target, root));
      extract.paths.push_back(SnapshotPath(root));
    }
    HF_ASSIGN(ExtractOutcome outcome, snapshot_.Extract(staged, extract, progress, stop));
    warnings_.insert(warnings_.end(), outcome.warnings.begin(), outcome.warnings.end());
    if (!IsRoot(target) || !carry_over_.is_needed()) return {};
    HF_ASSIGN(const std::optional<Fd> live, OpenBeside(target.path));
    if (!live) return {};
    return carry_over_.Bring({live->get(), target.path}, {writer.top(), staged}, target.path,
                             std::move(stop));
  }

  // Directories between the target and a root below it. Extraction does not set their attributes.
  Result<void> AddDirectoriesAbove(filetree::TreeWriter& writer, const Target& target,
                                   const std::string& root) {
    const std::size_t below = target.path.size() + 1;
    for (std::size_t at = root.find('/', below); at != std::string::npos;
         at = root.find('/', at + 1)) {
      std::string above = root.substr(0, at);
      HF_ASSIGN(std::optional<Attributes> saved, snapshot_.Stat(SnapshotPath(above)));
      if (!saved) continue;
      HF_TRY(writer.AddDirectory(above.substr(below), *saved));
    }
    return {};
  }

  Result<void> ValidateRoot(Comparison& comparison, const Target& target, const std::string& root,
                            std::stop_token stop) {
    HF_ASSIGN(std::optional<Attributes> top, snapshot_.Stat(SnapshotPath(root)));
    HF_CHECK(top.has_value());
    auto relative = [&target](const std::string& path) {
      return path.size() == target.path.size() ? "" : path.substr(target.path.size() + 1);
    };
    HF_TRY(comparison.Compare(relative(root), *top));
    if (top->type != NodeType::kDirectory) return {};
    const std::size_t prefix = SnapshotPath("").size();
    return VisitBelow(snapshot_, SnapshotPath(root),
                      [&](const std::string& path, const Attributes& wanted) -> Result<void> {
                        HF_TRY(CheckStop(stop));
                        return comparison.Compare(relative(path.substr(prefix)), wanted);
                      });
  }

  Result<void> CarryOverFromOld() {
    if (!carry_over_.is_needed()) return {};
    for (const filetree::SwapSet::Entry& entry : swap_.entries()) {
      HF_ASSIGN(const std::optional<Fd> before, OpenBeside(entry.staged));
      HF_ASSIGN(const std::optional<Fd> now, OpenBeside(entry.target));
      if (!before || !now) continue;
      struct stat status {};
      if (fstat(now->get(), &status) != 0 || status.st_ino != entry.staged_inode) {
        return Fail(filetree::Replaced(entry.target));
      }
      HF_TRY(carry_over_.Bring({before->get(), entry.staged}, {now->get(), entry.target},
                               entry.target, std::stop_token()));
    }
    return {};
  }

  const SourceContext context_;
  const Settings settings_;
  const RestoreScope scope_;
  UntrustedView& snapshot_;
  const InPlaceRule rule_;
  CarryOver carry_over_;
  filetree::SwapSet swap_;
  RestorePlan plan_;
  std::vector<std::string> staged_;  // one per target
  std::vector<std::string> warnings_;
  bool is_committing_ = false;
};

Result<std::unique_ptr<RestoreSession>> OpenSession(const SourceContext& context,
                                                    const config::Values& values,
                                                    const InPlaceSpec& spec) {
  HF_CHECK(spec.snapshot != nullptr && spec.journal != nullptr);
  HF_ASSIGN(Settings settings, ReadSettings(values));
  if (!spec.snapshot->manifest()) {
    return Fail(ErrorCode::kUnsupported, "the snapshot has no manifest",
                "restore it to a directory: --to DIR");
  }
  HF_TRY(spec.snapshot->CheckManifest({kRootsDetail, kExcludeDetail, kLimitsDetail}));
  HF_ASSIGN(RestoreScope scope, RestoreScope::Of(spec.path, SnapshotPath("")));
  return std::make_unique<InPlaceSession>(context, std::move(settings), std::move(scope), spec);
}

// Recovery from `state` has the same result however often it is interrupted, so it records nothing.
Result<filetree::Recovery> Recover(const SourceContext& /*context*/, std::string_view state) {
  return filetree::SwapSet::Recover(state, [](std::string_view) { return Result<void>(); });
}

}  // namespace

RestoreMethod InPlaceMethod() {
  return {.name = std::string(kInPlaceName),
          .summary = "replace the live files",
          .needs = {.source_settings = true, .safety_snapshot = true},
          .has_dry_run = true,
          .open = InPlaceRestore{.open = OpenSession, .recover = Recover}};
}

}  // namespace holdfast::files
