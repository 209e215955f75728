#include "common/filetree/file_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

#include "common/base/format.h"
#include "common/filetree/metadata.h"

namespace holdfast::filetree {
namespace {

constexpr int kAttempts = 3;

bool SameTime(const struct timespec& a, const struct timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

class FileReader final : public ByteReader {
 public:
  FileReader(Fd file, const Attributes& attributes, std::string shown)
      : file_(std::move(file)), attributes_(attributes), shown_(std::move(shown)) {}

  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    if (buffer.empty()) return std::size_t{0};
    if (!began_) began_ = Begin();
    HF_TRY(*began_);
    if (buffered_at_ < buffered_.size()) {
      std::size_t count = std::min(buffer.size(), buffered_.size() - buffered_at_);
      std::memcpy(buffer.data(), buffered_.data() + buffered_at_, count);
      buffered_at_ += count;
      given_ += count;
      return count;
    }
    if (is_whole_) return std::size_t{0};
    HF_ASSIGN(std::size_t count, ReadStreamed(buffer));
    given_ += count;
    return count;
  }

  Result<Outcome> Finish() override {
    struct stat after {};
    HF_TRY(Stat(after));
    Outcome outcome;
    outcome.changed = !is_stable_ || Differs(before_, after);
    // Not `after`: a later comparison with the live file must find a change during the read. Also,
    // our own read may have changed the atime.
    Attributes final_attributes = FromStat(before_);
    final_attributes.user = attributes_.user;
    final_attributes.group = attributes_.group;
    final_attributes.extended = attributes_.extended;
    final_attributes.size = given_;
    outcome.attributes = std::move(final_attributes);
    file_.Reset();
    return outcome;
  }

  std::size_t ReadAheadBytes() const override {
    return attributes_.size <= kBufferedBytesMax ? static_cast<std::size_t>(attributes_.size) + 1
                                                 : 0;
  }
  void ReadAhead() override { began_ = Begin(); }

 private:
  static bool Differs(const struct stat& a, const struct stat& b) {
    return a.st_size != b.st_size || !SameTime(a.st_mtim, b.st_mtim) ||
           !SameTime(a.st_ctim, b.st_ctim);
  }

  Result<void> Stat(struct stat& status) const {
    if (fstat(file_.get(), &status) == 0) return {};
    return Fail(ErrnoError(errno, "stat " + Quote(shown_)));
  }

  Result<void> Begin() {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      HF_TRY(Stat(before_));
      // Files in procfs and sysfs report a size of 0 but have content: read until the end.
      limit_ = before_.st_size > 0 ? static_cast<std::uint64_t>(before_.st_size)
                                   : std::numeric_limits<std::uint64_t>::max();
      has_holes_ = before_.st_blocks * 512 < before_.st_size;
      buffered_.clear();
      offset_ = 0;
      is_whole_ = false;
      is_stable_ = true;
      if (before_.st_size > static_cast<off_t>(kBufferedBytesMax)) return {};
      HF_TRY(Buffer());
      struct stat after {};
      HF_TRY(Stat(after));
      is_stable_ = !Differs(before_, after);
      if (is_stable_) return {};
    }
    return {};
  }

  // Reads from the start into `buffered_`. ReadStreamed() reads what does not fit.
  Result<void> Buffer() {
    std::size_t expected = static_cast<std::size_t>(std::max<off_t>(before_.st_size, 0));
    buffered_.resize(std::min(expected + 1, kBufferedBytesMax));
    std::size_t filled = 0;
    while (!is_whole_) {
      if (filled == buffered_.size()) {
        if (filled >= kBufferedBytesMax) break;
        buffered_.resize(std::min(buffered_.size() * 2, kBufferedBytesMax));
      }
      HF_ASSIGN(std::size_t count, ReadAt(std::span(buffered_).subspan(filled), filled));
      is_whole_ = count == 0;
      filled += count;
    }
    buffered_.resize(filled);
    offset_ = filled;
    return {};
  }

  Result<std::size_t> ReadAt(std::span<std::uint8_t> buffer, std::uint64_t offset) {
    for (;;) {
      ssize_t count = pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(offset));
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EINTR) return Fail(ErrnoError(errno, "read " + Quote(shown_)));
    }
  }

  Result<std::size_t> ReadStreamed(std::span<std::uint8_t> buffer) {
    if (offset_ >= limit_) return std::size_t{0};
    std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), limit_ - offset_));
    if (has_holes_ && offset_ >= data_end_ && offset_ >= hole_end_) FindData();
    if (offset_ < hole_end_) {
      wanted = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, hole_end_ - offset_));
      std::memset(buffer.data(), 0, wanted);
      offset_ += wanted;
      return wanted;
    }
    if (has_holes_) {
      wanted = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, data_end_ - offset_));
    }
    HF_ASSIGN(std::size_t count, ReadAt(buffer.first(wanted), offset_));
    offset_ += count;
    return count;
  }

  // Sets the ends of the hole and of the data that follow `offset_`. If the file system does not
  // support this, everything is data. If the file was truncated, reading finds its end.
  void FindData() {
    off_t at = static_cast<off_t>(offset_);
    off_t data = lseek(file_.get(), at, SEEK_DATA);
    if (data < 0) {
      struct stat now {};
      bool ends_in_hole = errno == ENXIO && fstat(file_.get(), &now) == 0 && now.st_size > at;
      hole_end_ =
          ends_in_hole ? std::min(limit_, static_cast<std::uint64_t>(now.st_size)) : offset_;
      data_end_ = limit_;
      return;
    }
    hole_end_ = static_cast<std::uint64_t>(data);
    off_t end = lseek(file_.get(), data, SEEK_HOLE);
    data_end_ = end > data ? static_cast<std::uint64_t>(end) : limit_;
  }

  Fd file_;
  Attributes attributes_;
  std::string shown_;
  struct stat before_ {};
  std::optional<Result<void>> began_;
  bool is_stable_ = true;
  bool is_whole_ = false;  // `buffered_` has the whole file
  bool has_holes_ = false;
  Bytes buffered_;
  std::size_t buffered_at_ = 0;
  std::uint64_t offset_ = 0;  // of ReadStreamed()
  std::uint64_t limit_ = 0;
  std::uint64_t hole_end_ = 0;
  std::uint64_t data_end_ = 0;
  std::uint64_t given_ = 0;
};

}  // namespace

std::unique_ptr<ByteReader> ReadLiveFile(Fd file, const Attributes& attributes, std::string shown) {
  return std::make_unique<FileReader>(std::move(file), attributes, std::move(shown));
}

}  // namespace holdfast::filetree
