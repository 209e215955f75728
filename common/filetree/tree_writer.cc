#include "common/filetree/tree_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/filetree/apply_attributes.h"
#include "common/filetree/beneath.h"
#include "common/filetree/directory_cursor.h"
#include "common/filetree/metadata.h"
#include "common/filetree/swap_set.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast::filetree {
namespace {

constexpr std::size_t kBufferBytes = 1U << 20;
constexpr std::size_t kHoleBytes = 4096;  // the smallest run of zeros that becomes a hole
constexpr std::size_t kWarningsMax = 1000;
constexpr int kClearAttempts = 3;
constexpr std::size_t kStagedNameMax = 250;  // with its suffix within the limit for names

struct SplitPath {
  std::string parent;  // empty: the top
  std::string name;
};
SplitPath Split(std::string_view path) {
  return {std::string(PathAbove(path)), std::string(BaseName(path))};
}

// Whether two names already refer to the same file.
bool AreOne(int directory, const std::string& name, int other, const std::string& other_name) {
  struct stat one {};
  struct stat two {};
  return fstatat(directory, name.c_str(), &one, AT_SYMLINK_NOFOLLOW) == 0 &&
         fstatat(other, other_name.c_str(), &two, AT_SYMLINK_NOFOLLOW) == 0 &&
         one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

class TreeWriterImpl final : public TreeWriter {
 public:
  TreeWriterImpl(Fd top, std::string directory, const WriteOptions& options)
      : top_(std::move(top)),
        directory_(std::move(directory)),
        options_(options),
        cursor_(top_.get(), directory_),
        temporary_name_(options.temporary_name) {
    buffer_.resize(kBufferBytes);
  }

  Result<void> AddDirectory(std::string_view path, const Attributes& attributes) override {
    HF_TRY(CheckRelativePath(path, false));
    SplitPath split = Split(path);
    HF_ASSIGN(int parent, Directory(split.parent));
    HF_ASSIGN(const struct stat status, MakeDirectory(parent, split.name, Shown(path)));
    pending_.push_back({std::string(path), WithoutNames(attributes), status.st_dev, status.st_ino});
    return {};
  }

  void SetTop(const Attributes& attributes) override { of_top_ = WithoutNames(attributes); }

  Result<void> AddFile(std::string_view path, const Attributes& attributes,
                       ByteReader& content) override {
    HF_TRY(CheckRelativePath(path, false));
    SplitPath split = Split(path);
    HF_ASSIGN(int parent, Directory(split.parent));
    HF_ASSIGN(bool is_linked, LinkToEarlier(path, attributes));
    if (is_linked) return {};
    HF_ASSIGN(parent, Directory(split.parent));  // linking may have moved the cursor
    const std::string temporary = TemporaryName(split.name);
    HF_ASSIGN(Fd file, CreateTemporary(parent, temporary, path));
    Result<void> written = Fill(file.get(), attributes, content, Shown(path));
    if (written) {
      ApplyAttributes({.fd = file.get(), .shown = Shown(path)}, attributes, options_.restore_owner,
                      warnings_);
      BoundWarnings();
      CrashPoint("restore.file.before_rename");
      written = Rename(parent, temporary, split.name, Shown(path));
    }
    if (!written) {
      (void)unlinkat(parent, temporary.c_str(), 0);  // the returned error matters more
      return written;
    }
    CrashPoint("restore.file.after_rename");
    RememberLink(path, attributes);
    return {};
  }

  Result<void> AddOther(std::string_view path, const Attributes& attributes) override {
    HF_TRY(CheckRelativePath(path, false));
    SplitPath split = Split(path);
    HF_ASSIGN(bool is_linked, LinkToEarlier(path, attributes));
    if (is_linked) return {};
    HF_ASSIGN(int parent, Directory(split.parent));
    // Created under its final name if that is free: a symlink or fifo is never half written.
    std::string made = split.name;
    int failed = MakeOther(parent, made, attributes);
    if (failed != 0 && errno == EEXIST) {
      made = TemporaryName(split.name);
      HF_TRY(ClearTemporary(parent, made, path));
      failed = MakeOther(parent, made, attributes);
    }
    if (failed != 0) return OtherFailed(errno, path, attributes);
    ApplyAttributes({.directory = parent, .name = made, .shown = Shown(path)}, attributes,
                    options_.restore_owner, warnings_);
    BoundWarnings();
    if (made != split.name) HF_TRY(Rename(parent, made, split.name, Shown(path)));
    RememberLink(path, attributes);
    return {};
  }

  Result<void> Finish() override {
    auto depth = [](const Pending& pending) { return std::ranges::count(pending.path, '/'); };
    std::ranges::stable_sort(pending_, std::ranges::greater(), depth);
    for (const Pending& pending : pending_) {
      CrashPoint("restore.directory.before_attributes");
      const std::string shown = Shown(pending.path);
      HF_ASSIGN(Fd fd, OpenDirectoryBeneath(top_.get(), pending.path, shown));
      struct stat status {};
      if (fstat(fd.get(), &status) != 0) return Fail(ErrnoError(errno, "stat " + Quote(shown)));
      // A user who may rename directories must not make us set the attributes on another one.
      if (status.st_dev != pending.device || status.st_ino != pending.inode) {
        return Fail(Replaced(shown));
      }
      ApplyAttributes({.fd = fd.get(), .shown = shown}, pending.attributes, options_.restore_owner,
                      warnings_);
      BoundWarnings();
    }
    pending_.clear();
    if (of_top_) {
      CrashPoint("restore.directory.before_attributes");
      ApplyAttributes({.fd = top_.get(), .shown = directory_}, *of_top_, options_.restore_owner,
                      warnings_);
      of_top_.reset();
    }
    links_.clear();
    cursor_.Forget();
    if (warnings_dropped_ > 0) {
      warnings_.push_back(fmt::format("and {} similar ones", warnings_dropped_));
      warnings_dropped_ = 0;
    }
    if (syncfs(top_.get()) != 0) return Fail(ErrnoError(errno, "sync " + Quote(directory_)));
    return {};
  }

  void RememberLink(std::string_view path, const Attributes& attributes) override {
    if (!MayHaveLinks(attributes)) return;
    links_[{attributes.device_id, attributes.inode}] = {std::string(path), attributes.links - 1};
  }

  bool HasEarlier(const Attributes& attributes) const override {
    return MayHaveLinks(attributes) && links_.contains({attributes.device_id, attributes.inode});
  }

  Result<bool> LinkToEarlier(std::string_view path, const Attributes& attributes) override {
    HF_TRY(CheckRelativePath(path, false));
    if (!MayHaveLinks(attributes)) return false;
    const SplitPath split = Split(path);
    auto found = links_.find({attributes.device_id, attributes.inode});
    if (found == links_.end()) return false;
    SplitPath first = Split(found->second.path);
    std::string shown = Shown(split.parent.empty() ? split.name : split.parent + "/" + split.name);
    HF_ASSIGN(Fd from, OpenDirectoryBeneath(top_.get(), first.parent, Shown(first.parent)));
    HF_ASSIGN(int parent, Directory(split.parent));
    int failed = linkat(from.get(), first.name.c_str(), parent, split.name.c_str(), 0);
    if (failed != 0 && errno == EEXIST && AreOne(from.get(), first.name, parent, split.name)) {
      failed = 0;
    } else if (failed != 0 && errno == EEXIST) {
      std::string temporary = TemporaryName(split.name);
      HF_TRY(ClearTemporary(parent, temporary, split.name));
      failed = linkat(from.get(), first.name.c_str(), parent, temporary.c_str(), 0);
      if (failed == 0) {
        HF_TRY(Rename(parent, temporary, split.name, shown));
        // rename(2) does nothing if both names are the same file: both still exist.
        (void)unlinkat(parent, temporary.c_str(), 0);
      }
    }
    if (failed != 0) {  // too many links, or the file system has none: write it again
      warnings_.push_back(
          ErrnoError(errno,
                     fmt::format("{}: created as a separate file because it cannot be linked to {}",
                                 Quote(shown), Quote(found->second.path)))
              .Text());
      return false;
    }
    if (--found->second.left == 0) links_.erase(found);
    return true;
  }

  int top() const override { return top_.get(); }
  const std::vector<std::string>& warnings() const override { return warnings_; }

 private:
  struct Pending {
    std::string path;
    Attributes attributes;
    dev_t device;
    ino_t inode;
  };
  struct Link {
    std::string path;
    std::uint64_t left;  // further names in the snapshot
  };

  static bool MayHaveLinks(const Attributes& attributes) {
    return attributes.links > 1 && attributes.inode != 0 && attributes.type != NodeType::kDirectory;
  }

  // Only the ids are used, and there may be very many directories.
  static Attributes WithoutNames(Attributes attributes) {
    attributes.user.clear();
    attributes.group.clear();
    return attributes;
  }

  std::string Shown(std::string_view path) const { return cursor_.Shown(path); }

  // Descriptor of a directory below the top, created if missing. Valid until the next call.
  Result<int> Directory(const std::string& path) {
    if (std::exchange(has_removed_tree_, false)) cursor_.Forget();
    return cursor_.OpenOrCreate(path);
  }

  // Creates the directory, or uses the existing one.
  static Result<struct stat> MakeDirectory(int parent, const std::string& name,
                                           const std::string& shown) {
    if (mkdirat(parent, name.c_str(), 0700) != 0) {
      if (errno != EEXIST) return Fail(ErrnoError(errno, "create directory " + Quote(shown)));
      HF_TRY(ClearForDirectory(parent, name, shown));
    }
    struct stat status {};
    if (fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return Fail(ErrnoError(errno, "stat " + Quote(shown)));
    }
    if (!S_ISDIR(status.st_mode)) return Fail(Replaced(shown));
    // An earlier restore may have left it without write permission for its owner.
    if ((status.st_mode & 0700U) != 0700U && geteuid() != 0) {
      HF_ASSIGN(Fd fd, OpenDirectoryBeneath(parent, name, shown));
      if (fchmod(fd.get(), (status.st_mode & 07777U) | 0700U) != 0) {
        return Fail(ErrnoError(errno, "make writable " + Quote(shown)));
      }
    }
    return status;
  }

  // Replaces a file with a new directory. Keeps a directory, and refuses a symlink.
  static Result<void> ClearForDirectory(int parent, const std::string& name,
                                        const std::string& shown) {
    struct stat status {};
    if (fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return Fail(ErrnoError(errno, "stat " + Quote(shown)));
    }
    if (S_ISDIR(status.st_mode)) return {};
    if (S_ISLNK(status.st_mode)) {
      return Fail(
          ErrorCode::kDenied,
          fmt::format("{} is a symlink instead of a directory, and is not followed", Quote(shown)),
          "restore to a new directory, or move the link away");
    }
    if (unlinkat(parent, name.c_str(), 0) != 0 || mkdirat(parent, name.c_str(), 0700) != 0) {
      return Fail(ErrnoError(errno, "create a directory in place of " + Quote(shown)));
    }
    return {};
  }

  // A name that no file of the snapshot has in this directory, as far as known.
  std::string TemporaryName(const std::string& name) {
    // Next to a live file, only use names that SwapSet removes.
    if (name.starts_with(kStagedPrefix) && name != temporary_name_ &&
        name.size() < kStagedNameMax) {
      return name + std::string(kStagedTemporary);
    }
    while (name == temporary_name_) temporary_name_ += "~";
    return temporary_name_;
  }

  // Removes what a killed writer left under our temporary name. A live writer holds a lock on it.
  Result<void> ClearTemporary(int parent, const std::string& temporary, std::string_view path) {
    Fd old(openat(parent, temporary.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (old.is_open() && flock(old.get(), LOCK_EX | LOCK_NB) != 0) return BusyTemporary(path);
    if (unlinkat(parent, temporary.c_str(), 0) != 0 && errno != ENOENT) {
      return Fail(ErrnoError(
          errno, fmt::format("remove {} beside {}", Quote(temporary), Quote(Shown(path)))));
    }
    return {};
  }

  std::unexpected<Error> BusyTemporary(std::string_view path) const {
    return Fail(ErrorCode::kBusy,
                fmt::format("another restore is writing next to {}", Quote(Shown(path))),
                "wait for it to end, or restore to another directory");
  }

  Result<Fd> CreateTemporary(int parent, const std::string& temporary, std::string_view path) {
    for (int attempt = 0; attempt < kClearAttempts; ++attempt) {
      Fd file(openat(parent, temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     0600));
      if (file.is_open()) {
        if (flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
          return BusyTemporary(path);
        }
        return file;
      }
      if (errno != EEXIST) return Fail(ErrnoError(errno, "create " + Quote(Shown(path))));
      HF_TRY(ClearTemporary(parent, temporary, path));
    }
    return BusyTemporary(path);
  }

  Result<void> Fill(int file, const Attributes& attributes, ByteReader& content,
                    const std::string& shown) {
    std::uint64_t offset = 0;
    std::uint64_t written_end = 0;
    for (;;) {
      HF_ASSIGN(std::size_t count, content.Read(buffer_));
      if (count == 0) break;
      // Untrusted: without this, a file could fill the file system before its size is compared.
      if (count > attributes.size - offset) {
        return Fail(ErrorCode::kCorrupt,
                    fmt::format("{} has more bytes than its attributes say ({})", Quote(shown),
                                FormatCount(attributes.size)),
                    "check the repository with --read-data");
      }
      HF_TRY(WriteSparse(file, ByteView(buffer_).first(count), offset, written_end, shown));
      offset += count;
    }
    if (offset != attributes.size) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{} has {} bytes, but its attributes say {}", Quote(shown), offset,
                              attributes.size),
                  "check the repository with --read-data");
    }
    if (written_end < offset && ftruncate(file, static_cast<off_t>(offset)) != 0) {
      return Fail(ErrnoError(errno, "set the size of " + Quote(shown)));
    }
    return {};
  }

  // Writes all but whole blocks of zeros. The file is new, so unwritten ranges read as zeros.
  static Result<void> WriteSparse(int file, ByteView bytes, std::uint64_t offset,
                                  std::uint64_t& written_end, const std::string& shown) {
    std::size_t run_begin = 0;
    std::size_t at = 0;
    auto flush = [&](std::size_t end) -> Result<void> {
      while (run_begin < end) {
        ssize_t count = pwrite(file, bytes.data() + run_begin, end - run_begin,
                               static_cast<off_t>(offset + run_begin));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Fail(ErrnoError(errno, "write " + Quote(shown)));
        run_begin += static_cast<std::size_t>(count);
        written_end = offset + run_begin;
      }
      return {};
    };
    while (at < bytes.size()) {
      std::size_t block = kHoleBytes - static_cast<std::size_t>((offset + at) % kHoleBytes);
      block = std::min(block, bytes.size() - at);
      if (IsAllZero(bytes.subspan(at, block))) {
        HF_TRY(flush(at));
        run_begin = at + block;
      }
      at += block;
    }
    return flush(at);
  }

  Result<void> Rename(int parent, const std::string& from, const std::string& to,
                      const std::string& shown) {
    if (renameat(parent, from.c_str(), parent, to.c_str()) == 0) return {};
    if (errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST) {
      has_removed_tree_ = true;  // the cached directory may be below it
      HF_TRY(RemoveTree(ProcPath(parent, to)));
      if (renameat(parent, from.c_str(), parent, to.c_str()) == 0) return {};
    }
    return Fail(ErrnoError(errno, "rename to " + Quote(shown)));
  }

  static int MakeOther(int parent, const std::string& name, const Attributes& attributes) {
    mode_t kind = 0;
    switch (attributes.type) {
      case NodeType::kSymlink:
        return symlinkat(attributes.link_target.c_str(), parent, name.c_str());
      case NodeType::kBlockDevice:
        kind = S_IFBLK;
        break;
      case NodeType::kCharDevice:
        kind = S_IFCHR;
        break;
      case NodeType::kFifo:
        kind = S_IFIFO;
        break;
      case NodeType::kSocket:
        kind = S_IFSOCK;
        break;
      case NodeType::kFile:
      case NodeType::kDirectory:
        errno = EINVAL;
        return -1;
    }
    return mknodat(parent, name.c_str(), kind, attributes.device);
  }

  Result<void> OtherFailed(int number, std::string_view path, const Attributes& attributes) {
    bool is_device =
        attributes.type == NodeType::kBlockDevice || attributes.type == NodeType::kCharDevice;
    if (is_device && (number == EPERM || number == EACCES)) {
      warnings_.push_back(fmt::format("{}: device {}:{} is left out: only root may create it",
                                      Quote(Shown(path)), major(attributes.device),
                                      minor(attributes.device)));
      return {};
    }
    return Fail(ErrnoError(number, "create " + Quote(Shown(path))));
  }

  // A file system without owners would give a warning for every file.
  void BoundWarnings() {
    if (warnings_.size() <= kWarningsMax) return;
    warnings_dropped_ += warnings_.size() - kWarningsMax;
    warnings_.resize(kWarningsMax);
  }

  Fd top_;
  std::string directory_;
  WriteOptions options_;
  DirectoryCursor cursor_;
  bool has_removed_tree_ = false;
  std::string temporary_name_;
  Bytes buffer_;
  std::vector<Pending> pending_;
  std::optional<Attributes> of_top_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Link> links_;
  std::vector<std::string> warnings_;
  std::size_t warnings_dropped_ = 0;
};

}  // namespace

Result<std::unique_ptr<TreeWriter>> TreeWriter::Open(const std::string& directory,
                                                     const WriteOptions& options) {
  HF_ASSIGN(Fd top, options.opened >= 0 ? OpenDirectoryBeneath(options.opened, "", directory)
                                        : OpenFile(directory, O_RDONLY | O_DIRECTORY));
  return std::make_unique<TreeWriterImpl>(std::move(top), directory, options);
}

}  // namespace holdfast::filetree
