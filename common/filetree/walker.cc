#include "common/filetree/walker.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "common/base/format.h"
#include "common/filetree/exclude.h"
#include "common/filetree/file_reader.h"
#include "common/filetree/metadata.h"
#include "common/filetree/name_list.h"
#include "common/io/fd.h"

namespace holdfast::filetree {
namespace {

constexpr std::string_view kCacheTag = "CACHEDIR.TAG";
// https://bford.info/cachedir/
constexpr std::string_view kCacheSignature = "Signature: 8a477f597d28d172789f06886806bc55";

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
constexpr int kFileFlags = O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;

// Opens without changing the atime if the kernel permits it: O_NOATIME is for owners and
// CAP_FOWNER. Returns a negative value with errno set on failure.
int OpenNoAtime(int directory, const char* name, int flags) {
  for (bool is_quiet = true;;) {
    int fd = openat(directory, name, flags | O_CLOEXEC | (is_quiet ? O_NOATIME : 0));
    if (fd >= 0) return fd;
    if (errno == EPERM && is_quiet) {
      is_quiet = false;
    } else if (errno != EINTR) {
      return fd;
    }
  }
}

// Opens the regular file at an absolute real path without following symlinks. Used long after the
// walk passed it.
Result<std::unique_ptr<ByteReader>> OpenAgain(const std::string& path, const Attributes& expected) {
  Fd directory(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  std::size_t at = 1;
  for (std::size_t end = path.find('/', at); end != std::string::npos; end = path.find('/', at)) {
    HF_ASSIGN(directory, OpenFileAt(directory.get(), path.substr(at, end - at),
                                    O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, path));
    at = end + 1;
  }
  Fd file(OpenNoAtime(directory.get(), path.c_str() + at, kFileFlags));
  if (!file.is_open()) return Fail(ErrnoError(errno, "open " + Quote(path)));
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return Fail(ErrnoError(errno, "stat " + Quote(path)));
  if (!S_ISREG(status.st_mode)) {
    return Fail(ErrorCode::kNotFound, fmt::format("{} is no longer a file", Quote(path)));
  }
  return ReadLiveFile(std::move(file), expected, path);
}

// Names of all entries except "." and "..", unsorted. Returns an errno value, 0 for success.
// `names` has what could be read in both cases.
int ListNames(int directory, NameList& names) {
  Fd own(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own.is_open()) return errno;
  DIR* stream = fdopendir(own.get());
  if (stream == nullptr) return errno;
  (void)own.Release();  // the stream owns it now
  int number = 0;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream);
    if (entry == nullptr) {
      number = errno;
      break;
    }
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.Add(name);
  }
  closedir(stream);
  return number;
}

// A directory on the way from "/" to the walk's current position.
struct Frame {
  Fd fd;  // closed while the walk is more than kOpenDirectoriesMax levels below
  dev_t device = 0;
  ino_t inode = 0;
  dev_t file_system = 0;  // of the root above, for one_file_system
  std::string name;
  NameList names;
  std::size_t next = 0;
  const RootNode* node = nullptr;  // null if no root is below
  bool is_full = false;            // everything below is saved, not only roots
  std::size_t path_size = 0;       // of the walk's path
  std::string given;               // this path through the configured links, if different
};

class WalkerImpl final : public Walker {
 public:
  WalkerImpl(WalkOptions options, RootTree roots, bool is_look_only)
      : options_(std::move(options)),
        exclude_(options_.exclude),
        roots_(std::move(roots.roots)),
        top_(std::move(roots.top)),
        missing_(std::move(roots.missing)),
        warnings_(std::move(roots.warnings)),
        is_look_only_(is_look_only) {
    has_proc_ = access("/proc/self/fd", X_OK) == 0;
    if (!has_proc_) {
      warnings_.push_back("extended attributes and ACLs are not saved: /proc is not mounted");
    }
  }

  Result<std::optional<Item>> Next() override {
    if (!began_) {
      began_ = true;
      HF_ASSIGN(std::optional<Item> item, EnterTop());
      if (item) return item;
    }
    while (!stack_.empty()) {
      Frame& frame = stack_.back();
      path_.resize(frame.path_size);
      if (frame.next == frame.names.size()) {
        Leave();
        continue;
      }
      const std::string name(frame.names[frame.next++]);
      HF_ASSIGN(std::optional<Item> item, Visit(name));
      if (item) return item;
    }
    return std::optional<Item>();
  }

  const std::vector<Missing>& missing() const override { return missing_; }
  const std::vector<std::string>& warnings() const override { return warnings_; }
  const std::vector<Root>& roots() const override { return roots_; }

  Totals Estimate(std::uint64_t items_max) const override { return Count(options_, items_max, {}); }

 private:
  Result<std::optional<Item>> EnterTop() {
    Fd fd(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat status {};
    if (!fd.is_open() || fstat(fd.get(), &status) != 0) {
      return Fail(ErrnoError(errno, "open \"/\""));
    }
    Attributes attributes = Describe(AT_FDCWD, "/", status);
    Enter(AT_FDCWD, "/", status, top_.get(), top_->is_root, nullptr);
    if (options_.prefix.empty()) return std::optional<Item>();
    Item item;
    item.path = options_.prefix;
    item.attributes = std::move(attributes);
    item.required = false;
    return std::optional<Item>(std::move(item));
  }

  // Visits the entry `name` of the innermost directory; nullopt if it is not saved.
  Result<std::optional<Item>> Visit(const std::string& name) {
    Frame& frame = stack_.back();
    path_ += frame.path_size == 1 ? name : "/" + name;
    const RootNode* node = nullptr;
    if (frame.node != nullptr) {
      auto found = frame.node->below.find(name);
      if (found != frame.node->below.end()) node = found->second.get();
    }
    bool is_root = node != nullptr && node->is_root;
    bool is_full = is_root || (frame.is_full && !IsExcluded(frame, name));
    if (!is_full && node == nullptr) return std::optional<Item>();
    struct stat status {};
    if (fstatat(frame.fd.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      NameMissing(node, "stat", errno);
      return std::optional<Item>();
    }
    if (S_ISDIR(status.st_mode)) return VisitDirectory(name, status, node, is_full);
    if (!is_full) return std::optional<Item>();  // a root below is already listed as missing
    if (S_ISREG(status.st_mode)) return VisitFile(name, status);
    Item item = MakeItem(Describe(frame.fd.get(), name, status));
    if (S_ISLNK(status.st_mode)) {
      Result<std::string> target = ReadLinkTarget(frame.fd.get(), name, path_);
      if (!target) {
        AddMissing({path_, target.error().message(), ""});
        return std::optional<Item>();
      }
      item.attributes.link_target = std::move(*target);
    }
    return std::optional<Item>(std::move(item));
  }

  Result<std::optional<Item>> VisitDirectory(const std::string& name, const struct stat& status,
                                             const RootNode* node, bool is_full) {
    Frame& frame = stack_.back();
    bool is_root = node != nullptr && node->is_root;
    int parent = frame.fd.get();
    Item item = MakeItem(Describe(parent, name, status));
    bool is_crossing = options_.one_file_system && !is_root && status.st_dev != frame.file_system;
    if (is_full && is_crossing) is_full = false;
    if (is_full || node != nullptr) Enter(parent, name, status, node, is_full, &frame);
    return std::optional<Item>(std::move(item));
  }

  Result<std::optional<Item>> VisitFile(const std::string& name, const struct stat& seen) {
    int parent = stack_.back().fd.get();
    struct stat status = seen;
    if (is_look_only_) return std::optional<Item>(MakeItem(FromStat(status)));
    if (options_.metadata_only) {
      return std::optional<Item>(MakeItem(Describe(parent, name, status)));
    }
    if (std::unique_ptr<const SnapshotEntry> before = FindUnchanged(status)) {
      Attributes attributes = FromStat(status, names_);
      attributes.extended =
          before->attributes().extended;  // changing extended attributes changes the ctime too
      Item item = MakeItem(std::move(attributes));
      auto read = [path = path_, attributes = item.attributes] {
        return OpenAgain(path, attributes);
      };
      item.content = Reuse{item.path, std::move(read), std::move(before)};
      return std::optional<Item>(std::move(item));
    }
    Fd file(OpenNoAtime(parent, name.c_str(), kFileFlags));
    if (!file.is_open() || fstat(file.get(), &status) != 0) {
      NameMissing(nullptr, "open", errno);
      return std::optional<Item>();
    }
    if (!S_ISREG(status.st_mode)) {
      NameMissing(nullptr, "open", ENXIO);
      return std::optional<Item>();
    }
    Item item = MakeItem(Describe(parent, name, status));
    item.content = ReadLiveFile(std::move(file), item.attributes, path_);
    return std::optional<Item>(std::move(item));
  }

  // The previous snapshot's entry for this file; null if the file may have changed. A file changed
  // just before the previous cut is not trusted: a later change could have the same time.
  std::unique_ptr<const SnapshotEntry> FindUnchanged(const struct stat& status) {
    if (options_.previous == nullptr || !options_.previous_cut) return nullptr;
    UnixTime limit = *options_.previous_cut;
    limit.seconds -= kClockStepSeconds;
    UnixTime mtime = FromTimespec(status.st_mtim);
    UnixTime ctime = FromTimespec(status.st_ctim);
    if (mtime >= limit || ctime >= limit) return nullptr;
    Result<std::unique_ptr<const SnapshotEntry>> found = options_.previous->Find(ItemPath());
    if (!found) {  // a damaged snapshot must not prevent new ones
      warnings_.push_back(
          "all files are read again because the previous snapshot cannot be read: " +
          found.error().Text());
      options_.previous = nullptr;
      return nullptr;
    }
    if (*found == nullptr) return nullptr;
    const Attributes& before = (*found)->attributes();
    const bool is_same = before.type == NodeType::kFile && before.inode == status.st_ino &&
                         before.size == static_cast<std::uint64_t>(status.st_size) &&
                         before.mtime == mtime && before.ctime == ctime;
    return is_same ? *std::move(found) : nullptr;
  }

  bool IsExcluded(const Frame& frame, const std::string& name) const {
    if (exclude_.empty()) return false;
    if (exclude_.MatchesName(name) || exclude_.MatchesPath(path_)) return true;
    return exclude_.has_path_patterns() && !frame.given.empty() &&
           exclude_.MatchesPath(frame.given + "/" + name);
  }

  std::string ItemPath() const {
    return options_.prefix.empty() ? path_.substr(1) : options_.prefix + path_;
  }

  Item MakeItem(Attributes attributes) const {
    Item item;
    item.path = ItemPath();
    item.attributes = std::move(attributes);
    item.required = false;
    return item;
  }

  Attributes Describe(int directory, const std::string& name, const struct stat& status) {
    if (is_look_only_) return FromStat(status);
    Attributes attributes = FromStat(status, names_);
    if (!has_proc_) return attributes;
    Result<std::vector<ExtendedAttribute>> extended = ReadExtended(directory, name, path_);
    if (extended) {
      attributes.extended = std::move(*extended);
    } else if (extended.error().code() != ErrorCode::kNotFound) {
      AddWarning(extended.error().Text());  // a vanished entry is reported when it is opened
    }
    return attributes;
  }

  // Bounded, because a large part of a file system may be unreadable.
  void AddMissing(Missing missing) {
    if (missing_.size() < kMissingMax) {
      missing_.push_back(std::move(missing));
      return;
    }
    ++missing_dropped_;
    if (missing_dropped_ == 1) missing_.push_back({"more", "", ""});
    missing_.back().reason = fmt::format("{} more could not be read", missing_dropped_);
  }

  void AddWarning(std::string warning) {
    if (warnings_.size() < kMissingMax) warnings_.push_back(std::move(warning));
  }

  // Reports `path_` and everything below it as missing, except roots already known to be missing.
  void NameMissing(const RootNode* node, std::string_view action, int number) {
    bool is_known = node != nullptr && (node->is_missing || !node->is_root) && number == ENOENT;
    if (is_known) return;
    Missing missing = MissingFor(path_, action, number);
    if (node == nullptr && number == ENOENT) {
      missing.reason = "disappeared during the backup";
      missing.remedy = "exclude it if it is short-lived";
    }
    AddMissing(std::move(missing));
  }

  // Enters a directory. One that cannot be opened or listed is reported, and the walk continues.
  void Enter(int parent, const std::string& name, const struct stat& status, const RootNode* node,
             bool is_full, const Frame* above) {
    Frame frame;
    frame.fd =
        Fd(OpenNoAtime(parent, name.c_str(), is_full ? kDirectoryFlags : kDirectoryFlags | O_PATH));
    if (!frame.fd.is_open()) {
      NameMissing(nullptr, "open directory", errno);
      return;
    }
    bool is_root = node != nullptr && node->is_root;
    frame.device = status.st_dev;
    frame.inode = status.st_ino;
    frame.file_system = is_root || above == nullptr ? status.st_dev : above->file_system;
    frame.name = name;
    frame.node = node;
    frame.is_full = is_full;
    if (above == nullptr) path_ = "/";
    frame.path_size = path_.size();
    if (is_root && !node->given.empty()) {
      frame.given = node->given;
    } else if (above != nullptr && !above->given.empty()) {
      frame.given = above->given + "/" + name;
    }
    if (is_full && options_.skip_cache_dirs && !is_root && HasCacheTag(frame.fd.get())) {
      frame.names.Add(kCacheTag);
    } else if (is_full) {
      int number = ListNames(frame.fd.get(), frame.names);
      if (number != 0) NameMissing(nullptr, "list directory", number);
    }
    if (node != nullptr) {
      for (const auto& [below, unused] : node->below) frame.names.Add(below);
    }
    frame.names.Sort();
    stack_.push_back(std::move(frame));
    if (stack_.size() > kOpenDirectoriesMax) {
      stack_[stack_.size() - 1 - kOpenDirectoriesMax].fd.Reset();
    }
  }

  // Returns to the parent directory and reopens it if it was closed to save descriptors.
  void Leave() {
    Fd left = std::move(stack_.back().fd);
    stack_.pop_back();
    if (stack_.empty() || stack_.back().fd.is_open()) return;
    Frame& frame = stack_.back();
    int flags = frame.is_full ? kDirectoryFlags : kDirectoryFlags | O_PATH;
    frame.fd = Fd(left.is_open() ? OpenNoAtime(left.get(), "..", flags) : -1);
    if (IsSame(frame)) return;
    frame.fd = OpenFromTop();
    if (IsSame(frame)) return;
    path_.resize(frame.path_size);
    AddMissing({path_, "was moved during the backup", "back up again"});
    frame.fd.Reset();
    frame.names.Clear();
    frame.next = 0;
  }

  static bool IsSame(const Frame& frame) {
    struct stat status {};
    return frame.fd.is_open() && fstat(frame.fd.get(), &status) == 0 &&
           status.st_dev == frame.device && status.st_ino == frame.inode;
  }

  // Opens the innermost directory by all names from "/"; closed if one no longer exists.
  Fd OpenFromTop() const {
    Fd fd(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (std::size_t level = 1; level < stack_.size() && fd.is_open(); ++level) {
      bool is_last = level + 1 == stack_.size();
      int flags = is_last && stack_[level].is_full ? kDirectoryFlags : kDirectoryFlags | O_PATH;
      fd = Fd(OpenNoAtime(fd.get(), stack_[level].name.c_str(), flags));
    }
    return fd;
  }

  WalkOptions options_;
  ExcludeList exclude_;
  std::vector<Root> roots_;
  std::unique_ptr<RootNode> top_;
  std::vector<Missing> missing_;
  std::size_t missing_dropped_ = 0;
  std::vector<std::string> warnings_;
  bool is_look_only_;
  bool has_proc_ = true;
  bool began_ = false;
  NameCache names_;
  std::vector<Frame> stack_;
  std::string path_;  // absolute path of the current position
};

}  // namespace

bool HasCacheTag(int directory) {
  Fd tag(OpenNoAtime(directory, kCacheTag.data(), kFileFlags));
  struct stat status {};
  if (!tag.is_open() || fstat(tag.get(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  std::string content(kCacheSignature.size(), '\0');
  ssize_t count = pread(tag.get(), content.data(), content.size(), 0);
  return count == static_cast<ssize_t>(content.size()) && content == kCacheSignature;
}

Walker::Totals Walker::Count(WalkOptions options, std::uint64_t items_max,
                             const std::stop_token& stop) {
  Totals totals;
  options.previous = nullptr;
  options.tolerate_missing_roots = true;
  Result<RootTree> tree = MakeRootTree(options.roots);
  if (!tree) return totals;
  WalkerImpl look(std::move(options), std::move(*tree), true);
  while (totals.items < items_max && !stop.stop_requested()) {
    Result<std::optional<Item>> item = look.Next();
    if (!item) break;
    totals.is_whole = !*item;
    if (totals.is_whole) break;
    ++totals.items;
    totals.bytes += (*item)->attributes.size;
  }
  return totals;
}

void WalkOptions::ReuseFrom(SnapshotView* snapshot, std::string_view node) {
  previous = snapshot;
  previous_cut.reset();
  if (snapshot != nullptr && snapshot->manifest())
    previous_cut = ToUnixTime(snapshot->manifest()->CutTimeOf(node));
}

void Walker::AppendTo(Manifest& manifest, std::vector<std::string>& all_warnings) const {
  manifest.missing.insert(manifest.missing.end(), missing().begin(), missing().end());
  all_warnings.insert(all_warnings.end(), warnings().begin(), warnings().end());
}

Result<std::unique_ptr<Walker>> Walker::Create(WalkOptions options) {
  HF_ASSIGN(RootTree tree, MakeRootTree(options.roots));
  if (!options.tolerate_missing_roots && !tree.missing.empty()) {
    const Missing& first = tree.missing.front();
    return Fail(ErrorCode::kNotFound, fmt::format("{}: {}", Quote(first.what), first.reason),
                first.remedy);
  }
  return std::make_unique<WalkerImpl>(std::move(options), std::move(tree), false);
}

Result<Attributes> ReadAttributes(const std::string& path) {
  return ReadAttributesAt(AT_FDCWD, path, path);
}

Result<Attributes> ReadAttributesAt(int directory, const std::string& name,
                                    const std::string& shown) {
  struct stat status {};
  if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return Fail(ErrnoError(errno, "stat " + Quote(shown)));
  }
  NameCache names;
  Attributes attributes = FromStat(status, names);
  HF_ASSIGN(attributes.extended, ReadExtended(directory, name, shown));
  if (attributes.type == NodeType::kSymlink) {
    HF_ASSIGN(attributes.link_target, ReadLinkTarget(directory, name, shown));
  }
  return attributes;
}

}  // namespace holdfast::filetree
