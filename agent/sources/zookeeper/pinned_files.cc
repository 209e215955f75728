#include "agent/sources/zookeeper/pinned_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "agent/sources/zookeeper/sums.h"
#include "common/base/format.h"
#include "common/base/wait.h"
#include "common/filetree/metadata.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::string_view kVersionDirectory = "/version-2";
constexpr int kTriesMax = 5;
constexpr std::chrono::milliseconds kBetweenLooks{20};
constexpr int kPollsMax = 500;   // ten seconds for the server to write what it confirmed
constexpr int kRereadsMax = 10;  // of a record that is being written
// How far to search after the last record of the log that the server writes to. Tens of megabytes
// there are not written yet, and a cut must be fast.
constexpr std::uint64_t kScanAfterEnd = 1U << 20;
constexpr std::size_t kSumBytes = 1U << 20;
constexpr const char* kLetRead = "let the agent read ZooKeeper's data directories";
constexpr const char* kSaveAnother = "back up another member, and check this server's disk";

// The content of a file from `at` to `end`.
class FdContent final : public ByteReader {
 public:
  FdContent(int fd, std::uint64_t at, std::uint64_t end, const std::string& shown)
      : fd_(fd), at_(at), end_(end), shown_(shown) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), end_ - at_);
    for (;;) {
      const ssize_t count = ::pread(fd_, buffer.data(), wanted, static_cast<off_t>(at_));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Fail(ErrnoError(errno, "read " + Quote(shown_)));
      at_ += static_cast<std::uint64_t>(count);
      return static_cast<std::size_t>(count);
    }
  }

 private:
  const int fd_;
  std::uint64_t at_;
  const std::uint64_t end_;
  const std::string shown_;
};

// A whole file, checked against its expected size and sum.
class CheckedContent final : public ByteReader {
 public:
  explicit CheckedContent(const PinnedFile& file)
      : content_(file.fd.get(), 0, file.attributes.size, file.path),
        attributes_(file.attributes),
        sum_(file.sum),
        shown_(file.path) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    HF_ASSIGN(const std::size_t count, content_.Read(buffer));
    read_sum_ = Adler32(read_sum_, buffer.first(count));
    read_ += count;
    const bool is_at_end = count == 0 && !buffer.empty();
    if (is_at_end && (read_ != attributes_.size || read_sum_ != sum_))
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("{} changed since it was checked", Quote(shown_)),
                  "a new leader made the server discard records; back up again");
    return count;
  }
  Result<Outcome> Finish() override { return Outcome{.attributes = attributes_}; }

 private:
  FdContent content_;
  const Attributes attributes_;
  const std::uint32_t sum_;
  const std::string shown_;
  std::uint32_t read_sum_ = kAdlerOfNothing;
  std::uint64_t read_ = 0;
};

Result<std::uint32_t> SumOf(std::uint32_t sum, const PinnedFile& file, std::uint64_t from,
                            std::uint64_t to) {
  FdContent content(file.fd.get(), from, to, file.path);
  Bytes buffer(static_cast<std::size_t>(std::min<std::uint64_t>(kSumBytes, to - from)));
  for (std::uint64_t at = from; at < to;) {
    HF_ASSIGN(const std::size_t count, content.Read(buffer));
    if (count == 0)
      return Fail(ErrorCode::kUnavailable, fmt::format("{} became shorter", Quote(file.path)),
                  "a new leader made the server discard records; back up again");
    sum = Adler32(sum, ByteView(buffer).first(count));
    at += count;
  }
  return sum;
}

// "version-2" of a data directory.
struct StateDirectory {
  int base = AT_FDCWD;
  std::string name;  // from `base`
  std::string shown;
};

StateDirectory StateIn(const std::string& directory, int opened) {
  const std::string path = directory + std::string(kVersionDirectory);
  if (opened < 0) return {AT_FDCWD, path, path};
  return {opened, std::string(kVersionDirectory.substr(1)), path};
}
StateDirectory DataIn(const PinOptions& options) {
  return StateIn(options.data_dir, options.opened_data);
}
StateDirectory LogsIn(const PinOptions& options) {
  return StateIn(options.log_dir, options.opened_logs);
}

// Later, kNotFound means that a file was purged, so check first that the directory exists.
Result<void> CheckDirectory(const StateDirectory& directory) {
  struct stat status {};
  if (::fstatat(directory.base, directory.name.c_str(), &status, 0) == 0) return {};
  return Fail(
      ErrnoError(errno, "read the attributes of " + Quote(directory.shown)).WithHint(kLetRead));
}

struct NamedFile {
  std::int64_t zxid = 0;
  std::string name;
};

Result<std::vector<std::string>> NamesOf(const StateDirectory& directory) {
  if (directory.base == AT_FDCWD) return NamesIn(directory.name);
  HF_ASSIGN(const Fd opened,
            OpenFileAt(directory.base, directory.name, O_RDONLY | O_DIRECTORY, 0, directory.shown));
  return NamesIn(opened.get(), directory.shown);
}

// The files in a directory, by ascending zxid. Files of the same zxid, which differ in compression,
// are all included.
Result<std::vector<NamedFile>> ListFiles(const StateDirectory& directory, std::string_view prefix) {
  Result<std::vector<std::string>> names = NamesOf(directory);
  if (!names) return Fail(std::move(names).error().WithHint(kLetRead));
  std::vector<NamedFile> files;
  for (const std::string& name : *names)
    if (const auto zxid = ZxidOf(name, prefix)) files.push_back({*zxid, name});
  std::ranges::sort(files, {}, [](const NamedFile& file) {
    return std::pair<std::int64_t, const std::string&>(file.zxid, file.name);
  });
  return files;
}

Result<PinnedFile> Pin(const StateDirectory& directory, const NamedFile& named) {
  PinnedFile file;
  file.name = named.name;
  file.zxid = named.zxid;
  file.path = fmt::format("{}/{}", directory.shown, named.name);
  HF_ASSIGN(file.fd, OpenFileAt(directory.base, fmt::format("{}/{}", directory.name, named.name),
                                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, file.path));
  HF_ASSIGN(const struct stat status, StatRegularFile(file.fd.get(), file.path));
  filetree::NameCache names;
  file.attributes = filetree::FromStat(status, names);
  return file;
}

// A new leader starts a new epoch, and counts from 1 in it.
bool FollowsOn(std::int64_t zxid, std::int64_t last) {
  const bool begins_epoch = zxid >> 32 > last >> 32 && (zxid & 0xffffffff) == 1;
  return zxid <= last + 1 || begins_epoch;
}

}  // namespace

Result<PinnedFiles> PinnedFiles::Open(const PinOptions& options, const std::stop_token& stop) {
  HF_TRY(CheckDirectory(DataIn(options)));
  HF_TRY(CheckDirectory(LogsIn(options)));
  for (int tries = 0; tries < kTriesMax; ++tries) {
    HF_ASSIGN(const std::vector<NamedFile> snapshots, ListFiles(DataIn(options), "snapshot"));
    if (snapshots.empty())
      return Fail(
          ErrorCode::kNotFound,
          fmt::format("no snapshot exists in {}{}", Quote(options.data_dir), kVersionDirectory),
          "check that this server has run; \"config\" must be the file that it was started with");
    PinnedFiles files(options);
    files.is_last_try_ = tries + 1 == kTriesMax;
    std::optional<PinnedFiles> not_covered;
    bool has_vanished = false;
    for (auto one = snapshots.rbegin(); one != snapshots.rend() && !has_vanished; ++one) {
      auto taken = files.TakeSnapshot(one->name, stop);
      has_vanished = !taken && taken.error().code() == ErrorCode::kNotFound;
      if (!taken && !has_vanished) return Fail(std::move(taken).error());
      if (!taken || !*taken) continue;
      if (files.is_covered()) return files;
      // An older snapshot is better than one whose log was never written.
      PinnedFiles older(options);
      older.is_last_try_ = files.is_last_try_;
      older.passed_over_ = files.passed_over_;
      older.LeaveOut(files.snapshot_,
                     fmt::format("the logs end at {:#x}, and it may have parts of transactions up "
                                 "to {:#x}",
                                 files.zxid(), files.summary_.fuzzy_end()));
      if (!not_covered) not_covered = std::move(files);
      files = std::move(older);
    }
    if (has_vanished) continue;
    if (not_covered) return *std::move(not_covered);
    const SkippedSnapshot& newest = files.passed_over_.front();
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("none of the {} snapshots in {}{} is complete; {}: {}", snapshots.size(),
                    Quote(options.data_dir), kVersionDirectory, Quote(newest.path), newest.reason),
        kSaveAnother);
  }
  return Fail(ErrorCode::kBusy,
              fmt::format("snapshots in {} are removed as fast as they are written",
                          Quote(options.data_dir)));
}

// False if the snapshot cannot be used; kNotFound if a file was purged during this.
Result<bool> PinnedFiles::TakeSnapshot(const std::string& name, const std::stop_token& stop) {
  HF_ASSIGN(const bool is_whole, OpenSnapshot(name, stop));
  if (!is_whole) return false;
  if (options_.between) options_.between();
  logs_.clear();
  HF_TRY(Advance(stop));
  if (options_.is_live && !damages_.empty() && !is_last_try_)
    return Fail(ErrorCode::kNotFound, "the logs have a gap");
  // What the server has applied may not be in its log yet.
  HF_TRY(AdvanceTo(summary_.fuzzy_end(), stop));
  return true;
}

Result<bool> PinnedFiles::OpenSnapshot(const std::string& name, const std::stop_token& stop) {
  HF_ASSIGN(snapshot_, Pin(DataIn(options_), {ZxidOf(name, "snapshot").value_or(0), name}));
  Result<SnapshotSummary> summary = ReadWhole(stop);
  if (summary) {
    summary_ = *summary;
    return true;
  }
  const ErrorCode code = summary.error().code();
  if (code != ErrorCode::kCorrupt && code != ErrorCode::kUnsupported &&
      code != ErrorCode::kUnavailable)
    return Fail(std::move(summary).error());
  LeaveOut(snapshot_, summary.error().message());
  return false;
}

Result<SnapshotSummary> PinnedFiles::ReadWhole(const std::stop_token& stop) {
  HF_ASSIGN(snapshot_.sum, SumOf(kAdlerOfNothing, snapshot_, 0, snapshot_.attributes.size));
  const std::unique_ptr<ByteReader> content =
      Decompress(CompressionOf(snapshot_.name), OpenContent(snapshot_));
  return ReadSnapshot(*content, {}, stop);
}

void PinnedFiles::LeaveOut(const PinnedFile& file, std::string reason) {
  struct stat status {};
  const bool has_changed = ::fstat(file.fd.get(), &status) == 0 &&
                           static_cast<std::uint64_t>(status.st_size) != file.attributes.size;
  passed_over_.push_back({file.path, std::move(reason), options_.is_live && has_changed});
}

// Opens new logs: at first the one that has the snapshot's zxid, and all later ones.
Result<bool> PinnedFiles::OpenLogs() {
  HF_ASSIGN(const std::vector<NamedFile> listed, ListFiles(LogsIn(options_), "log"));
  std::int64_t from = 0;
  if (!logs_.empty()) {
    from = logs_.back().file.zxid + 1;
  } else {
    for (const NamedFile& one : listed)
      if (one.zxid <= snapshot_.zxid) from = one.zxid;
  }
  bool has_new = false;
  for (const NamedFile& one : listed) {
    if (one.zxid < from) continue;
    PinnedLog log;
    HF_ASSIGN(log.file, Pin(LogsIn(options_), one));
    log.file.attributes.size = 0;
    log.file.sum = kAdlerOfNothing;
    logs_.push_back(std::move(log));
    has_new = true;
  }
  return has_new;
}

// A record that is being written is complete a moment later, and one that seems damaged may have
// been read while it was written.
Result<void> PinnedFiles::ReadOn(PinnedLog& log, bool is_last, const std::stop_token& stop) {
  for (int rereads = 0;; ++rereads) {
    struct stat status {};
    if (::fstat(log.file.fd.get(), &status) != 0)
      return Fail(ErrnoError(errno, "stat " + Quote(log.file.path)));
    FdContent content(log.file.fd.get(), log.position.bytes,
                      static_cast<std::uint64_t>(status.st_size), log.file.path);
    const bool is_written = options_.is_live && is_last;
    LogReader reader(content, log.position, is_written ? kScanAfterEnd : UINT64_MAX);
    for (;;) {
      HF_TRY(CheckStop(stop));
      auto record = reader.Next();
      if (!record)
        return Fail(std::move(record).error().While(Quote(log.file.path)).WithHint(kSaveAnother));
      if (!*record) break;
    }
    log.position = reader.position();
    log.end = reader.end();
    PinnedFile& file = log.file;
    HF_ASSIGN(file.sum, SumOf(file.sum, file, file.attributes.size, log.position.bytes));
    const Attributes now = filetree::FromStat(status);
    file.attributes.mtime = now.mtime;
    file.attributes.ctime = now.ctime;
    file.attributes.size = log.position.bytes;
    const bool may_change = is_written && log.end != LogEnd::kClean;
    if (!may_change || rereads == kRereadsMax || !WaitFor(kBetweenLooks, stop)) return {};
  }
}

// Whether this log continues after `last`; reports what is missing otherwise. Transactions that the
// snapshot has are not missing if an earlier log ends before them: a server that got a snapshot
// from its leader continues after it.
bool PinnedFiles::GoesOn(const PinnedLog& log, std::int64_t last) {
  const std::int64_t follows = log.position.first_zxid;
  if (FollowsOn(follows, last)) return true;
  damages_.push_back(fmt::format(
      "the transactions from {:#x} to {:#x} are missing before {}: the rest is not saved", last + 1,
      follows - 1, Quote(log.file.path)));
  return false;
}

Result<void> PinnedFiles::Advance(const std::stop_token& stop) {
  HF_TRY(OpenLogs());
  damages_.clear();
  std::int64_t last = snapshot_.zxid;
  // What follows damage or a gap is useless and even harmful: a server would replay it anyway.
  for (std::size_t i = 0; i < logs_.size() && damages_.empty(); ++i) {
    PinnedLog& log = logs_[i];
    HF_TRY(ReadOn(log, i + 1 == logs_.size(), stop));
    const bool tolerate_unreachable = GoesOn(log, last);
    if (tolerate_unreachable && log.end == LogEnd::kDamaged)
      damages_.push_back(fmt::format(
          "{} is damaged after {:#x}: the rest is not saved, and ZooKeeper does not start with it",
          Quote(log.file.path), log.position.last_zxid));
    if (!damages_.empty()) logs_.resize(tolerate_unreachable ? i + 1 : i);
    last = std::max(last, log.position.last_zxid);
  }
  return {};
}

void PinnedFiles::DropEmptyLogs() {
  std::erase_if(logs_, [](const PinnedLog& log) { return log.position.bytes == 0; });
}

Result<bool> PinnedFiles::AdvanceTo(std::int64_t zxid, const std::stop_token& stop) {
  for (int looks = 0; this->zxid() < zxid; ++looks) {
    // Lost records do not come back.
    if (!options_.is_live || looks == kPollsMax || !damages_.empty()) return false;
    if (!WaitFor(kBetweenLooks, stop)) return Stopped();
    HF_TRY(Advance(stop));
  }
  return true;
}

std::int64_t PinnedFiles::zxid() const {
  std::int64_t zxid = snapshot_.zxid;
  for (const PinnedLog& log : logs_) zxid = std::max(zxid, log.position.last_zxid);
  return zxid;
}

std::uint64_t PinnedFiles::bytes() const {
  std::uint64_t bytes = snapshot_.attributes.size;
  for (const PinnedLog& log : logs_) bytes += log.file.attributes.size;
  return bytes;
}

TreeFiles PinnedFiles::Tree() const {
  TreeFiles tree;
  tree.snapshot_zxid = snapshot_.zxid;
  tree.snapshot = [this]() -> Result<std::unique_ptr<ByteReader>> {
    return Decompress(CompressionOf(snapshot_.name), OpenContent(snapshot_));
  };
  for (const PinnedLog& log : logs_)
    tree.logs.emplace_back(
        [&log]() -> Result<std::unique_ptr<ByteReader>> { return OpenContent(log.file); });
  return tree;
}

std::unique_ptr<ByteReader> PinnedFiles::OpenContent(const PinnedFile& file) {
  return std::make_unique<CheckedContent>(file);
}

}  // namespace holdfast::zookeeper
