#include "common/repository/snapshot/extract_plan.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <utility>

#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/crypto/sha256.h"
#include "common/filetree/file_writer.h"
#include "common/filetree/metadata.h"
#include "common/repository/tree/file_content.h"
#include "common/repository/tree/lost_list.h"
#include "common/repository/tree/tree_blobs.h"

namespace holdfast::repository {
namespace {

constexpr std::uint64_t kBlockBytes = 4096;

using LinkKey = std::pair<std::uint64_t, std::uint64_t>;

// Whether a file is another name of an earlier one.
bool IsFurtherName(std::set<LinkKey>& seen, const Attributes& attributes) {
  if (attributes.links <= 1 || attributes.inode == 0) return false;
  return !seen.emplace(attributes.device_id, attributes.inode).second;
}

// Counts what will be written.
class Survey final : public SelectedTree::Visitor {
 public:
  Survey(const Index& index, filetree::ExistingTree existing, const ExtractOptions& options)
      : index_(index), existing_(std::move(existing)), options_(options) {}

  Result<std::optional<bool>> Directory(SelectedTree::Found found) override {
    if (!found.is_passed) ++items_;
    if (is_new_ && !found.is_passed) return true;
    HF_ASSIGN(const std::optional<struct stat> there, existing_.Stat(found.target));
    if (!there) return true;
    if (S_ISDIR(there->st_mode)) return false;
    if (!MayReplace(options_.overwrite, found.node.attributes, *there)) return std::nullopt;
    return true;
  }
  void Enter(bool is_new) override { is_new_ = is_new; }
  Result<void> Other(SelectedTree::Found found) override {
    const Attributes& saved = found.node.attributes;
    ++items_;
    if (saved.type != NodeType::kFile || IsFurtherName(links_, saved)) return {};
    std::optional<struct stat> there;
    if (!is_new_) {
      HF_ASSIGN(there, existing_.Stat(found.target));
    }
    bytes_ += saved.size;
    if (there && !MayReplace(options_.overwrite, saved, *there)) return {};
    if (there && IsTrusted(options_.overwrite, saved, *there)) return {};
    const std::uint64_t data = DataBytes(found.node);
    const std::uint64_t room = (data + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    if (!there) {
      ++files_new_;
      room_ += room;
      return {};
    }
    // Until the new file is complete, both exist.
    const auto freed = static_cast<std::uint64_t>(there->st_blocks) * 512;
    room_ += room - std::min(room, freed);
    room_beside_ = std::max(room_beside_, std::min(room, freed));
    return {};
  }
  void Lost(const Error&) override {}

  std::uint64_t items() const { return items_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t files_new() const { return files_new_; }
  std::uint64_t room() const { return room_ + room_beside_; }

 private:
  // The size of a file without its holes, that is, runs of equal zero blobs.
  std::uint64_t DataBytes(const TreeNode& node) {
    std::uint64_t zeros = 0;
    bool was_zero = false;
    for (std::size_t i = 1; i < node.content.size(); ++i) {
      if (node.content[i] != node.content[i - 1]) {
        was_zero = false;
        continue;
      }
      if (!was_zero) {
        const std::optional<BlobLocation> location = index_.Find(BlobType::kData, node.content[i]);
        if (!location || !IsZeros(node.content[i], location->plain_length)) continue;
        was_zero = true;
        zeros += zero_length_;  // of the first blob
      }
      zeros += zero_length_;
    }
    return node.attributes.size - std::min(node.attributes.size, zeros);
  }

  bool IsZeros(const Id& blob, std::uint32_t length) {
    constexpr std::uint32_t kZerosMax = 64U << 20;
    if (length == 0 || length > kZerosMax) return false;
    if (length != zero_length_) {
      zero_length_ = length;
      zero_blob_ = Id{crypto::Sha256Of(Bytes(length))};
    }
    return blob == zero_blob_;
  }

  const Index& index_;
  filetree::ExistingTree existing_;
  const ExtractOptions& options_;
  bool is_new_ = false;
  std::set<LinkKey> links_;
  std::uint64_t items_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t files_new_ = 0;
  std::uint64_t room_ = 0;
  std::uint64_t room_beside_ = 0;  // for the largest replaced file
  std::uint32_t zero_length_ = 0;
  Id zero_blob_;
};

class DryRunner final : public SelectedTree::Visitor {
 public:
  DryRunner(BlobStore& blobs, const PathFilter& filter, filetree::ExistingTree& existing,
            const ExtractOptions& options, Progress& progress)
      : blobs_(blobs),
        filter_(filter),
        existing_(existing),
        options_(options),
        progress_(progress) {}

  Result<std::optional<bool>> Directory(SelectedTree::Found found) override {
    const Attributes& saved = found.node.attributes;
    if (!found.is_passed) Count();
    HF_ASSIGN(const std::optional<struct stat> there, Stat(found));
    if (!there) {
      HF_TRY(Tell(found.target, true, '+'));
      return true;
    }
    if (S_ISDIR(there->st_mode)) {
      there_.push_back({found.path, found.target, *found.node.subtree, found.is_outside});
      HF_ASSIGN(const bool is_like,
                existing_.HasAttributes(found.target, *there, saved, options_.restore_owner));
      if (!is_like) HF_TRY(Tell(found.target, true, 'U'));
      if (is_like && !found.is_passed) ++outcome_.unchanged;
      return false;
    }
    if (!MayReplace(options_.overwrite, saved, *there)) {
      Skip(found);
      return std::nullopt;
    }
    if (S_ISLNK(there->st_mode)) {
      return Fail(ErrorCode::kDenied,
                  fmt::format("{} is a symlink instead of a directory, and is not followed",
                              Quote(existing_.Shown(found.target))),
                  "restore to a new directory, or move the link away");
    }
    HF_TRY(Tell(found.target, true, 'T'));
    return true;
  }

  void Enter(bool is_new) override { is_new_ = is_new; }

  Result<void> Other(SelectedTree::Found found) override {
    const Attributes& saved = found.node.attributes;
    Count();
    HF_ASSIGN(const std::optional<struct stat> there, Stat(found));
    const bool has_content = saved.type == NodeType::kFile && !IsFurtherName(links_, saved);
    if (there && !MayReplace(options_.overwrite, saved, *there)) {
      Skip(found);
      return {};
    }
    if (there && filetree::TypeOf(there->st_mode) == saved.type) {
      return TellDifference(found, *there, has_content);
    }
    if (there && S_ISDIR(there->st_mode) && !options_.delete_extraneous) {
      HF_ASSIGN(const std::vector<std::string> names, existing_.Names(found.target));
      if (!names.empty()) return Fail(DirectoryInTheWay(existing_.Shown(found.target)));
    }
    if (has_content) outcome_.bytes += saved.size;
    return Tell(found.target, false, there ? 'T' : '+');
  }

  void Lost(const Error& error) override { lost_.Add(error); }

  Result<ExtractOutcome> Finish(const SelectedTree& tree) {
    HF_TRY(lost_.Outcome());
    if (tree.top_tree() && outcome_.items > 0) {
      there_.push_back({tree.top(), "", *tree.top_tree(), false});
    }
    HF_TRY(VisitOthers(blobs_, filter_, existing_, options_, there_,
                       [this](const std::string& target, bool is_part) -> Result<void> {
                         HF_ASSIGN(const std::optional<struct stat> there, existing_.Stat(target));
                         if (!is_part) ++outcome_.removed;
                         return Tell(target, there && S_ISDIR(there->st_mode), '-');
                       }));
    return std::move(outcome_);
  }

 private:
  void Count() {
    ++outcome_.items;
    ++progress_.items;
  }
  void Skip(const SelectedTree::Found& found) {
    ++outcome_.skipped;
    if (!found.is_passed) --outcome_.items;
  }
  Result<std::optional<struct stat>> Stat(const SelectedTree::Found& found) {
    if (is_new_ && !found.is_passed) return std::nullopt;
    return existing_.Stat(found.target);
  }
  Result<void> Tell(std::string_view target, bool is_directory, char change) const {
    if (!options_.on_change) return {};
    return options_.on_change({target, is_directory, change});
  }

  Result<void> TellDifference(const SelectedTree::Found& found, const struct stat& there,
                              bool has_content) {
    const Attributes& saved = found.node.attributes;
    if (saved.type == NodeType::kSymlink) {
      HF_ASSIGN(const bool is_like,
                existing_.HasAttributes(found.target, there, saved, options_.restore_owner));
      if (!is_like) return Tell(found.target, false, 'M');
      ++outcome_.unchanged;
      return {};
    }
    if (has_content && !IsTrusted(options_.overwrite, saved, there)) {
      HF_ASSIGN(const bool is_equal, HasContent(found, there));
      if (!is_equal) {
        outcome_.bytes += saved.size;
        return Tell(found.target, false, 'M');
      }
    }
    HF_ASSIGN(const bool is_like,
              existing_.HasAttributes(found.target, there, saved, options_.restore_owner));
    if (!is_like) return Tell(found.target, false, 'U');
    ++outcome_.unchanged;
    return {};
  }

  Result<bool> HasContent(const SelectedTree::Found& found, const struct stat& there) {
    const std::vector<Id>& content = found.node.content;
    if (static_cast<std::uint64_t>(there.st_size) != found.node.attributes.size) return false;
    HF_ASSIGN(const Fd file, existing_.OpenFile(found.target));
    if (!file.is_open()) return false;
    const auto offsets = BlobOffsets(blobs_, content, found.node.attributes.size);
    if (!offsets) {
      if (!IsSingleObjectError(offsets.error())) return Fail(offsets.error());
      lost_.Add(Error(offsets.error()).While("read " + Quote(found.path)));
      return true;
    }
    const std::vector<bool> is_there = FindBlobsInFile(file.get(), content, *offsets, CoreCount());
    return std::ranges::find(is_there, false) == is_there.end();
  }

  BlobStore& blobs_;
  const PathFilter& filter_;
  filetree::ExistingTree& existing_;
  const ExtractOptions& options_;
  Progress& progress_;
  bool is_new_ = false;  // the current directory does not exist
  std::vector<DirectoryThere> there_;
  std::set<LinkKey> links_;
  LostList lost_;
  ExtractOutcome outcome_;
};

}  // namespace

bool MayReplace(Overwrite overwrite, const Attributes& saved, const struct stat& there) {
  switch (overwrite) {
    case Overwrite::kAlways:
    case Overwrite::kIfChanged:
      return true;
    case Overwrite::kIfNewer:
      return saved.mtime > filetree::FromTimespec(there.st_mtim);
    case Overwrite::kNever:
      return false;
  }
  return false;
}

bool IsTrusted(Overwrite overwrite, const Attributes& saved, const struct stat& there) {
  return overwrite == Overwrite::kIfChanged && saved.type == NodeType::kFile &&
         S_ISREG(there.st_mode) && static_cast<std::uint64_t>(there.st_size) == saved.size &&
         filetree::FromTimespec(there.st_mtim) == saved.mtime;
}

Error DirectoryInTheWay(const std::string& shown) {
  return Error(ErrorCode::kDenied,
               fmt::format(
                   "{} is a directory that is not empty, but has another type in the snapshot",
                   Quote(shown)))
      .WithHint("move it away, or use --delete to remove it");
}

Result<void> VisitOthers(
    BlobStore& blobs, const PathFilter& filter, filetree::ExistingTree& existing,
    const ExtractOptions& options, const std::vector<DirectoryThere>& directories,
    const std::function<Result<void>(const std::string& target, bool is_part)>& visit) {
  if (!options.delete_extraneous && !options.resumes) return {};
  for (const DirectoryThere& one : directories) {
    HF_ASSIGN(const Directory saved, LoadDirectory(blobs, one.tree));
    HF_ASSIGN(std::vector<std::string> names, existing.Names(one.target));
    std::ranges::sort(names);
    for (const std::string& name : names) {
      if (saved.Find(name) || (one.target.empty() && name == options.spare)) continue;
      const bool is_part = options.resumes && name.starts_with(filetree::kPartPrefix);
      const std::string path = one.path.empty() ? name : one.path + "/" + name;
      const bool is_selected =
          options.delete_extraneous && !one.is_outside && filter.Judge(path).is_selected;
      if (!is_part && !is_selected) continue;
      HF_TRY(visit(one.target.empty() ? name : one.target + "/" + name, is_part));
    }
  }
  return {};
}

Result<void> CheckRoom(const Index& index, SelectedTree& tree, int top,
                       const std::string& directory, const ExtractOptions& options,
                       Progress& progress, const std::stop_token& stop) {
  Survey survey(index, filetree::ExistingTree(top, directory), options);
  HF_TRY(tree.Visit(survey, stop));
  progress.ExpectMore(survey.items(), survey.bytes());
  struct statvfs status {};
  if (fstatvfs(top, &status) != 0) {
    return Fail(ErrnoError(errno, "get the free space of " + Quote(directory)));
  }
  const std::uint64_t room = status.f_frsize * (geteuid() == 0 ? status.f_bfree : status.f_bavail);
  // Some file systems do not report their size.
  if (status.f_blocks > 0 && survey.room() > room) {
    return Fail(ErrorCode::kNoSpace,
                fmt::format("restore into {} needs {}, but only {} are free", Quote(directory),
                            FormatBytes(survey.room()), FormatBytes(room)),
                "nothing was written; make room, or restore a part: --path, --include");
  }
  const std::uint64_t files = geteuid() == 0 ? status.f_ffree : status.f_favail;
  if (status.f_files > 0 && survey.files_new() > files) {
    return Fail(
        ErrorCode::kNoSpace,
        fmt::format("restore into {} creates {}, but the file system has inodes for only {}",
                    Quote(directory), FormatCount(survey.files_new(), "file"), files),
        "nothing was written; restore to another file system, or a part: --path, "
        "--include");
  }
  return {};
}

Result<ExtractOutcome> DryRun(BlobStore& blobs, SelectedTree& tree, const std::string& directory,
                              const ExtractOptions& options, Progress& progress,
                              const std::stop_token& stop) {
  Fd top;
  if (Result<Fd> opened = OpenFile(directory, O_RDONLY | O_DIRECTORY); opened) {
    top = *std::move(opened);
  } else if (opened.error().code() != ErrorCode::kNotFound) {
    return Fail(std::move(opened).error());
  }
  filetree::ExistingTree existing(top.is_open() ? std::optional(top.get()) : std::nullopt,
                                  directory);
  DryRunner runner(blobs, tree.filter(), existing, options, progress);
  HF_TRY(tree.Visit(runner, stop));
  return runner.Finish(tree);
}

}  // namespace holdfast::repository
