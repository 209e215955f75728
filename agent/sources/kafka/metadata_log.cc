#include "agent/sources/kafka/metadata_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <utility>

#include "agent/sources/kafka/record_batch.h"
#include "agent/sources/kafka/segment_writer.h"
#include "common/base/format.h"
#include "common/filetree/metadata.h"

namespace holdfast::kafka {
namespace {

constexpr std::size_t kSegmentsMax = 10'000;
constexpr int kSnapshotTries = 5;
constexpr std::string_view kSnapshotEnding = ".checkpoint";
// The history of leaders, the topic id, and the voters.
constexpr std::array<std::string_view, 3> kOthers = {"leader-epoch-checkpoint",
                                                     "partition.metadata", "quorum-state"};

// Parses "<end offset>-<epoch>.checkpoint", 20 and 10 digits. nullopt for all other names,
// including unfinished and deleted snapshots.
std::optional<std::int64_t> SnapshotEndOf(std::string_view name) {
  if (name.size() != 31 + kSnapshotEnding.size() || !name.ends_with(kSnapshotEnding) ||
      name[20] != '-')
    return std::nullopt;
  std::int64_t end = 0;
  const auto [rest, error] = std::from_chars(name.data(), name.data() + 20, end);
  if (error != std::errc() || rest != name.data() + 20 || end < 0) return std::nullopt;
  return end;
}

std::uint64_t NumberAt(ByteView bytes, std::size_t at, std::size_t count) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : bytes.subspan(at, count)) number = (number << 8) | byte;
  return number;
}

// Far below the point where additions would overflow.
constexpr std::uint64_t kOffsetMax = std::uint64_t{1} << 62;

struct WholeBatches {
  std::uint64_t bytes = 0;
  std::int64_t end = 0;  // end offset
};

// Finds the complete batches of a segment that is being written. Stops at an incomplete or invalid
// batch, where a broker would truncate the log when it starts.
Result<WholeBatches> FindWholeBatches(int file, std::uint64_t size, std::int64_t first_offset,
                                      const std::string& shown) {
  WholeBatches whole{0, first_offset};
  std::array<std::uint8_t, kBatchHeaderBytes> header{};
  while (size - whole.bytes >= header.size()) {
    HF_TRY(ReadAllAt(file, header, whole.bytes, shown));
    const std::uint64_t base = NumberAt(header, 0, 8);
    const std::uint64_t length = NumberAt(header, 8, 4);
    const std::uint64_t last_delta = NumberAt(header, 23, 4);
    const bool is_batch = length >= kBatchHeaderBytes - 12 && length <= kBatchBytesMax &&
                          header[16] == 2 && base >= static_cast<std::uint64_t>(whole.end) &&
                          base <= kOffsetMax && last_delta <= kBatchBytesMax;
    if (!is_batch || size - whole.bytes < length + 12) break;
    whole.bytes += length + 12;
    whole.end = static_cast<std::int64_t>(base + last_delta + 1);
  }
  return whole;
}

// Reads a pinned file up to the size that it had when it was opened.
class PinnedReader final : public ByteReader {
 public:
  PinnedReader(Fd file, Attributes attributes, std::string shown)
      : file_(std::move(file)), attributes_(std::move(attributes)), shown_(std::move(shown)) {}

  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), attributes_.size - at_);
    for (;;) {
      const ssize_t count = ::pread(file_.get(), buffer.data(), wanted, static_cast<off_t>(at_));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Fail(ErrnoError(errno, "read " + Quote(shown_)));
      at_ += static_cast<std::uint64_t>(count);
      return static_cast<std::size_t>(count);
    }
  }

  // A file becomes shorter if a new leader makes this broker truncate uncommitted records.
  Result<Outcome> Finish() override {
    const bool is_shorter = at_ < attributes_.size;
    attributes_.size = at_;
    return Outcome{.attributes = attributes_, .changed = is_shorter};
  }

 private:
  Fd file_;
  Attributes attributes_;
  const std::string shown_;
  std::uint64_t at_ = 0;
};

}  // namespace

Result<MetadataLog> MetadataLog::Open(const std::string& directory,
                                      const std::function<void()>& between) {
  MetadataLog log;
  log.directory_ = directory;
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0)
    return Fail(ErrnoError(errno, "read the attributes of " + Quote(directory)));
  filetree::NameCache names;
  log.attributes_ = filetree::FromStat(status, names);
  HF_TRY(log.OpenSegments());
  if (between) between();
  HF_TRY(log.OpenSnapshot());
  log.OpenOthers();
  std::ranges::sort(log.files_, {}, &PinnedFile::name);
  return log;
}

Result<MetadataLog::PinnedFile> MetadataLog::Pin(const std::string& name) const {
  const std::string path = directory_ + "/" + name;
  HF_ASSIGN(Fd file, OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  HF_ASSIGN(const struct stat status, StatRegularFile(file.get(), path));
  filetree::NameCache names;
  return PinnedFile{name, std::move(file), filetree::FromStat(status, names)};
}

Result<void> MetadataLog::OpenSegments() {
  HF_ASSIGN(const auto names, NamesIn(directory_));
  std::vector<std::pair<std::int64_t, std::string>> segments;
  for (const std::string& name : names)
    if (const auto first = FirstOffsetOf(name)) segments.emplace_back(*first, name);
  if (segments.empty())
    return Fail(ErrorCode::kNotFound, fmt::format("{} has no log", Quote(directory_)));
  if (segments.size() > kSegmentsMax)
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} has more than {} segments", Quote(directory_), kSegmentsMax));
  std::ranges::sort(segments, std::ranges::greater());
  for (const auto& [first, name] : segments) {
    const bool is_newest = first == segments.front().first;
    auto pinned = Pin(name);
    // It was deleted in the meantime, and so were all earlier ones.
    if (!pinned && pinned.error().code() == ErrorCode::kNotFound && !is_newest) return {};
    if (!pinned) return Fail(std::move(pinned).error());
    if (is_newest) {
      HF_ASSIGN(const WholeBatches whole,
                FindWholeBatches(pinned->fd.get(), pinned->attributes.size, first, name));
      pinned->attributes.size = whole.bytes;
      end_ = whole.end;
    }
    begin_ = first;
    files_.push_back(*std::move(pinned));
  }
  return {};
}

Result<void> MetadataLog::OpenSnapshot() {
  for (int i = 0; i < kSnapshotTries; ++i) {
    HF_ASSIGN(const auto names, NamesIn(directory_));
    const std::string* newest = nullptr;  // names sort by end offset
    for (const std::string& name : names)
      if (SnapshotEndOf(name)) newest = &name;
    if (newest == nullptr) return {};
    auto pinned = Pin(*newest);
    if (pinned) {
      snapshot_end_ = SnapshotEndOf(*newest);
      files_.push_back(*std::move(pinned));
      return {};
    }
    if (pinned.error().code() != ErrorCode::kNotFound) return Fail(std::move(pinned).error());
  }
  return Fail(
      ErrorCode::kBusy,
      fmt::format("snapshots in {} are removed as fast as they are written", Quote(directory_)));
}

// Optional: KRaft recovers their content from the log or from other voters.
void MetadataLog::OpenOthers() {
  for (const std::string_view name : kOthers)
    if (auto pinned = Pin(std::string(name))) files_.push_back(*std::move(pinned));
}

Result<std::optional<Item>> MetadataLog::Next(const std::string& prefix) {
  Item item;
  item.required = false;
  if (!std::exchange(is_begun_, true)) {
    item.path = prefix;
    item.attributes = attributes_;
    return item;
  }
  if (next_ == files_.size()) return std::nullopt;
  PinnedFile& file = files_[next_++];
  item.path = prefix + "/" + file.name;
  item.attributes = file.attributes;
  item.content = std::make_unique<PinnedReader>(std::move(file.fd), file.attributes,
                                                directory_ + "/" + file.name);
  return item;
}

std::uint64_t MetadataLog::bytes() const {
  std::uint64_t bytes = 0;
  for (const PinnedFile& file : files_) bytes += file.attributes.size;
  return bytes;
}

std::string MetadataLog::Doubt() const {
  if (begin_ <= snapshot_end_.value_or(0)) return "";
  if (!snapshot_end_) return fmt::format("its log begins at {} and there is no snapshot", begin_);
  return fmt::format("its log begins at {}, after the snapshot's end at {}", begin_,
                     *snapshot_end_);
}

}  // namespace holdfast::kafka
