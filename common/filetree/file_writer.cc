#include "common/filetree/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/base/raw_buffer.h"
#include "common/filetree/apply_attributes.h"
#include "common/filetree/beneath.h"

namespace holdfast::filetree {
namespace {

constexpr std::size_t kHoleBlockBytes = 4096;  // the smallest run of zeros that becomes a hole
// Writes of at least this size start writeback at once, which shortens the final sync.
constexpr std::size_t kWriteBackBytes = 256U << 10;
constexpr std::size_t kPageBytes = RawBuffer::kAlignment;
// For smaller writes, waiting for the disk takes longer than using the page cache.
constexpr std::size_t kDirectBytesMin = 256U << 10;
constexpr std::size_t kDirectBytesMax = 2U << 20;  // per write

// Whether only this user could have written to it.
bool IsOurs(int file) {
  struct stat status {};
  return fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 &&
         status.st_uid == geteuid() && (status.st_mode & 0077U) == 0;
}

// Opens the file again with O_DIRECT. Not open if the file system does not support it, or if the
// name belongs to another file by now.
Fd OpenDirectly(int parent, const std::string& name, int file) {
  Fd direct(
      openat(parent, name.c_str(), O_WRONLY | O_DIRECT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat one {};
  struct stat other {};
  const bool is_same = direct.is_open() && fstat(direct.get(), &one) == 0 &&
                       fstat(file, &other) == 0 && one.st_dev == other.st_dev &&
                       one.st_ino == other.st_ino;
  return is_same ? std::move(direct) : Fd();
}

Fd OpenNameless(int parent) {
  return Fd(openat(parent, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
}

// Like linkat(2): fails with EEXIST if the name exists.
int LinkNameless(int file, int parent, const std::string& name) {
  // Linking by the descriptor itself requires CAP_DAC_READ_SEARCH, see open(2).
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  return linkat(AT_FDCWD, path.c_str(), parent, name.c_str(), AT_SYMLINK_FOLLOW);
}

}  // namespace

PendingFile::~PendingFile() {
  if (file_.is_open() && !may_be_resumed_) Discard();
}

void PendingFile::Discard() {
  // A file that cannot be removed now is removed by the next restore into the same directory.
  if (!is_nameless_) (void)unlinkat(parent_, temporary_.c_str(), 0);
  file_.Reset();
}

Result<void> PendingFile::WriteAt(std::uint64_t offset, ByteView bytes) {
  std::size_t run_begin = 0;
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::size_t block = kHoleBlockBytes - static_cast<std::size_t>((offset + at) % kHoleBlockBytes);
    block = std::min(block, bytes.size() - at);
    if (!IsAllZero(bytes.subspan(at, block))) {
      at += block;
      continue;
    }
    HF_TRY(Write(offset + run_begin, bytes.subspan(run_begin, at - run_begin)));
    std::size_t end = at + block;
    while (end < bytes.size() &&
           IsAllZero(bytes.subspan(end, std::min(kHoleBlockBytes, bytes.size() - end)))) {
      end = std::min(end + kHoleBlockBytes, bytes.size());
    }
    if (is_resumed_) HF_TRY(Clear(offset + at, bytes.subspan(at, end - at)));
    at = run_begin = end;
  }
  return Write(offset + run_begin, bytes.subspan(run_begin));
}

// If the file system supports it, whole pages bypass the page cache. In the cache they would wait
// for the final sync and evict data that the services read.
Result<void> PendingFile::Write(std::uint64_t offset, ByteView bytes) {
  const std::size_t to_page =
      static_cast<std::size_t>((kPageBytes - offset % kPageBytes) % kPageBytes);
  if (!is_direct_ || bytes.size() < kDirectBytesMin + to_page) return WriteBuffered(offset, bytes);
  HF_TRY(WriteBuffered(offset, bytes.first(to_page)));
  HF_ASSIGN(const std::size_t written, WriteDirect(offset + to_page, bytes.subspan(to_page)));
  return WriteBuffered(offset + to_page + written, bytes.subspan(to_page + written));
}

// Returns how many bytes it wrote from the start: normally all but an incomplete last page. Fewer
// if the file system does not support it after all; then it is not tried again.
Result<std::size_t> PendingFile::WriteDirect(std::uint64_t offset, ByteView bytes) {
  // Page-aligned, which a blob's plaintext rarely is.
  thread_local RawBuffer pages;
  std::size_t written = 0;
  while (bytes.size() - written >= kPageBytes) {
    const std::size_t left = (bytes.size() - written) / kPageBytes * kPageBytes;
    pages.Clear();
    pages.Append(bytes.subspan(written, std::min(left, kDirectBytesMax)));
    const ssize_t count = pwrite(direct_.get(), pages.view().data(), pages.size(),
                                 static_cast<off_t>(offset + written));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EINVAL) {  // its blocks are larger than pages
      is_direct_ = false;
      return written;
    }
    if (count < 0) return Fail(ErrnoError(errno, "write " + Quote(shown_)));
    // A short write may end within a page; the caller writes the rest through the page cache.
    written += static_cast<std::size_t>(count);
    if (static_cast<std::size_t>(count) < pages.size()) break;
  }
  NoteEnd(offset + written);
  return written;
}

Result<void> PendingFile::WriteBuffered(std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Fail(ErrnoError(errno, "write " + Quote(shown_)));
    if (static_cast<std::size_t>(count) >= kWriteBackBytes) {
      // Only a hint: the final sync writes the rest, or reports the error.
      (void)sync_file_range(file_.get(), static_cast<off_t>(offset), count, SYNC_FILE_RANGE_WRITE);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
    NoteEnd(offset);
  }
  return {};
}

void PendingFile::NoteEnd(std::uint64_t written_to) {
  std::uint64_t end = written_end_;
  while (end < written_to && !written_end_.compare_exchange_weak(end, written_to)) {
  }
}

// An earlier writer may have left other content there.
Result<void> PendingFile::Clear(std::uint64_t offset, ByteView zeros) {
  if (fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                static_cast<off_t>(zeros.size())) == 0) {
    return {};
  }
  return Write(offset, zeros);
}

Result<void> PendingFile::Commit(const Attributes& attributes, bool restore_owner,
                                 std::vector<std::string>& warnings) {
  if ((is_resumed_ || written_end_ < attributes.size) &&
      ftruncate(file_.get(), static_cast<off_t>(attributes.size)) != 0) {
    return Fail(ErrnoError(errno, "set the size of " + Quote(shown_)));
  }
  ApplyAttributes({.fd = file_.get(), .shown = shown_}, attributes, restore_owner, warnings);
  CrashPoint("restore.file.before_rename");
  HF_TRY(GiveName());
  file_.Reset();
  direct_.Reset();
  CrashPoint("restore.file.after_rename");
  return {};
}

Result<void> PendingFile::GiveName() {
  if (is_nameless_) {
    int failed = LinkNameless(file_.get(), parent_, name_);
    if (failed == 0) return {};
    // A link cannot replace a file, but a rename can.
    if (errno == EEXIST) failed = LinkNameless(file_.get(), parent_, temporary_);
    if (failed != 0) return Fail(ErrnoError(errno, "give its name to " + Quote(shown_)));
    is_nameless_ = false;
  }
  if (renameat(parent_, temporary_.c_str(), parent_, name_.c_str()) != 0) {
    return Fail(ErrnoError(errno, "rename to " + Quote(shown_)));
  }
  return {};
}

Result<std::unique_ptr<PendingFile>> FileWriter::Prepare(std::string_view path) {
  HF_TRY(CheckRelativePath(path, false));
  auto file = std::make_unique<PendingFile>();
  HF_ASSIGN(file->parent_, cursor_.OpenOrCreate(std::string(PathAbove(path))));
  file->name_ = BaseName(path);
  file->shown_ = cursor_.Shown(path);
  return file;
}

Result<std::unique_ptr<PendingFile>> FileWriter::Begin(std::string_view path) {
  HF_ASSIGN(std::unique_ptr<PendingFile> file, Prepare(path));
  file->temporary_ = temporary_;
  if (!can_link_nameless_) can_link_nameless_ = CanLinkNameless(file->parent_);
  if (*can_link_nameless_) file->file_ = OpenNameless(file->parent_);
  file->is_nameless_ = file->file_.is_open();
  if (file->is_nameless_) return file;
  HF_ASSIGN(file->file_, OpenFileAt(file->parent_, temporary_,
                                    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, file->shown_));
  return file;
}

// Some file systems create nameless files but cannot link them. Without /proc, none can.
bool FileWriter::CanLinkNameless(int parent) const {
  const Fd file = OpenNameless(parent);
  if (!file.is_open() || LinkNameless(file.get(), parent, temporary_) != 0) return false;
  return unlinkat(parent, temporary_.c_str(), 0) == 0;
}

Result<std::unique_ptr<PendingFile>> FileWriter::BeginResumable(std::string_view path,
                                                                const std::string& temporary) {
  HF_ASSIGN(std::unique_ptr<PendingFile> file, Prepare(path));
  file->own_parent_ = Fd(fcntl(file->parent_, F_DUPFD_CLOEXEC, 0));
  if (!file->own_parent_.is_open()) {
    return Fail(ErrnoError(errno, "keep the directory open of " + Quote(file->shown_)));
  }
  file->parent_ = file->own_parent_.get();
  file->temporary_ = temporary;
  Fd old(openat(file->parent_, temporary.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (old.is_open() && IsOurs(old.get())) {
    file->file_ = std::move(old);
    file->is_resumed_ = true;
  } else {
    if (unlinkat(file->parent_, temporary.c_str(), 0) != 0 && errno != ENOENT) {
      return Fail(ErrnoError(
          errno, fmt::format("remove {} beside {}", Quote(temporary), Quote(file->shown_))));
    }
    HF_ASSIGN(file->file_, OpenFileAt(file->parent_, temporary,
                                      O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, file->shown_));
  }
  file->may_be_resumed_ = true;
  file->direct_ = OpenDirectly(file->parent_, temporary, file->file_.get());
  file->is_direct_ = file->direct_.is_open();
  return file;
}

}  // namespace holdfast::filetree
