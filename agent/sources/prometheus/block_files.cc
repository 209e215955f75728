#include "agent/sources/prometheus/block_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <variant>

#include "common/base/format.h"
#include "common/base/ulid.h"
#include "common/filetree/walker.h"

namespace holdfast::prometheus {
namespace {

constexpr int kListingsMax = 1000;
constexpr std::size_t kMetaBytesMax = 16U << 20;
constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

// Opens a block's file by path, long after it was pinned.
Result<std::unique_ptr<ByteReader>> OpenLater(const std::string& directory, const std::string& name,
                                              const std::string& path) {
  filetree::NameCache names;
  HF_ASSIGN(const Fd parent, OpenFile(directory, kDirectoryFlags));
  HF_ASSIGN(auto pinned, PinFile(parent.get(), name, path, directory + "/" + name, names));
  if (!pinned)
    return Fail(ErrorCode::kNotFound,
                fmt::format("{} no longer exists", Quote(directory + "/" + name)));
  Item item = PinnedItem(*std::move(pinned));
  return std::get<std::unique_ptr<ByteReader>>(std::move(item.content));
}

}  // namespace

BlockFiles::BlockFiles(int data, std::string data_shown, SnapshotView* previous)
    : data_(data), shown_(std::move(data_shown)), previous_(previous) {
  if (previous_ == nullptr || !previous_->manifest()) return;
  trusted_before_ = ToUnixTime(previous_->manifest()->cut_time);
  trusted_before_->seconds -= filetree::kClockStepSeconds;
}

std::vector<BlockMeta> BlockFiles::blocks() const {
  std::vector<BlockMeta> sorted = blocks_;
  std::ranges::sort(sorted, {}, [](const BlockMeta& meta) {
    return std::tuple(meta.min_time, meta.max_time, meta.ulid);
  });
  return sorted;
}

Result<void> BlockFiles::List() {
  if (++listings_ > kListingsMax)
    return Fail(ErrorCode::kBusy,
                fmt::format("{} changes faster than it can be read: {} removed during the backup",
                            Quote(shown_), FormatCount(vanished_.size(), "block")),
                "back up again");
  HF_ASSIGN(const auto names, NamesIn(data_, shown_));
  for (const std::string& name : names)
    if (IsUlid(name) && seen_.insert(name).second) queue_.push_back(name);
  return {};
}

Result<std::optional<Item>> BlockFiles::Next() {
  if (!std::exchange(is_listed_, true)) HF_TRY(List());
  while (items_.empty()) {
    if (queue_.empty()) return std::nullopt;
    const std::string ulid = std::move(queue_.front());
    queue_.pop_front();
    HF_ASSIGN(const Opened opened, Open(ulid));
    if (opened == Opened::kGone) {
      vanished_.push_back(ulid);
      HF_TRY(List());
    }
  }
  Item item = std::move(items_.front());
  items_.pop_front();
  return item;
}

Result<BlockFiles::Opened> BlockFiles::Open(const std::string& ulid) {
  const std::string shown = fmt::format("{}/{}", shown_, ulid);
  auto directory = OpenFileAt(data_, ulid, kDirectoryFlags, 0, shown);
  Result<Opened> opened = Opened::kGone;
  if (directory)
    opened = PinBlock(ulid, directory->get());
  else if (directory.error().code() != ErrorCode::kNotFound)
    opened = Fail(std::move(directory).error());
  if (opened && *opened == Opened::kYes) return opened;
  items_.clear();
  std::erase_if(blocks_, [&](const BlockMeta& meta) { return meta.ulid == ulid; });
  if (opened) return opened;
  if (opened.error().code() == ErrorCode::kCancelled) return opened;
  missing_.push_back({shown, opened.error().message(), "let the agent read it"});
  return Opened::kLeftOut;
}

// Pins all files of the block, or none.
Result<BlockFiles::Opened> BlockFiles::PinBlock(const std::string& ulid, int directory) {
  const std::string shown = fmt::format("{}/{}", shown_, ulid);
  const std::string path = "data/" + ulid;
  HF_ASSIGN(const bool has_meta, ReadMeta(directory, ulid));
  if (!has_meta) {
    struct stat status {};
    if (::fstatat(data_, ulid.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return Opened::kGone;
    warnings_.push_back(fmt::format(
        "{} is left out: it has no meta.json, so Prometheus does not treat it as a block",
        Quote(shown)));
    return Opened::kLeftOut;
  }
  HF_ASSIGN(Item top, DirectoryItem(directory, path, shown, names_));
  items_.push_back(std::move(top));
  HF_ASSIGN(const auto entries, NamesIn(directory, shown));
  bool has_index = false;
  bool has_chunks = false;
  for (const std::string& name : entries) {
    if (name == "chunks" || name.ends_with(".tmp")) continue;
    has_index = has_index || name == "index";
    HF_ASSIGN(const bool is_there, Add(directory, ulid, name, name == "index"));
    if (!is_there && name == "index") has_index = false;
  }
  auto chunks = OpenFileAt(directory, "chunks", kDirectoryFlags, 0, shown + "/chunks");
  if (chunks) {
    HF_ASSIGN(Item item, DirectoryItem(chunks->get(), path + "/chunks", shown + "/chunks", names_));
    items_.push_back(std::move(item));
    HF_ASSIGN(const auto names, NamesIn(chunks->get(), shown + "/chunks"));
    // Numbered from 1. A block that is being deleted has gaps.
    std::uint64_t expected = 1;
    has_chunks = true;
    for (const std::string& name : names) {
      const auto number = SegmentNumber(name);
      HF_ASSIGN(const bool is_there,
                Add(chunks->get(), ulid, "chunks/" + name, number.has_value()));
      if (number) has_chunks = has_chunks && is_there && *number == expected++;
    }
    if (expected == 1 && blocks_.back().samples > 0) has_chunks = false;
  } else if (chunks.error().code() != ErrorCode::kNotFound) {
    return Fail(std::move(chunks).error());
  }
  // Prometheus renames a block before deleting its files. The name exists, so all were listed.
  struct stat status {};
  if (::fstatat(data_, ulid.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return Opened::kGone;
  if (has_index && has_chunks) return Opened::kYes;
  return Fail(ErrorCode::kCorrupt, fmt::format("{} has no index or no chunks", Quote(shown)));
}

Result<bool> BlockFiles::ReadMeta(int directory, const std::string& ulid) {
  const std::string shown = fmt::format("{}/{}/meta.json", shown_, ulid);
  HF_ASSIGN(auto pinned, PinFile(directory, "meta.json", "", shown, names_));
  if (!pinned) return false;
  if (pinned->attributes.size > kMetaBytesMax)
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} is larger than {}", Quote(shown), FormatBytes(kMetaBytesMax)));
  Bytes text(pinned->attributes.size);
  HF_TRY(ReadAllAt(pinned->file.get(), text, 0, shown));
  auto meta = ParseBlockMeta(AsText(text));
  if (!meta) return Fail(std::move(meta).error().While(Quote(shown)));
  if (meta->ulid != ulid)
    return Fail(ErrorCode::kCorrupt, fmt::format("{} is of another block", Quote(shown)));
  blocks_.push_back(*std::move(meta));
  return true;
}

// Adds the file `below` the block; false if it is gone.
Result<bool> BlockFiles::Add(int directory, const std::string& ulid, const std::string& below,
                             bool is_unchanging) {
  const std::string name = below.substr(below.rfind('/') + 1);
  HF_ASSIGN(auto pinned, PinFile(directory, name, fmt::format("data/{}/{}", ulid, below),
                                 fmt::format("{}/{}/{}", shown_, ulid, below), names_));
  if (!pinned) return false;
  Item item;
  if (!Reuses(*pinned, is_unchanging, item)) item = PinnedItem(*std::move(pinned));
  items_.push_back(std::move(item));
  return true;
}

// Whether the file can be reused from the previous snapshot; if so, sets `item`.
bool BlockFiles::Reuses(PinnedFile& pinned, bool is_unchanging, Item& item) {
  if (previous_ == nullptr || !trusted_before_) return false;
  auto found = previous_->Find(pinned.path);
  if (!found) {  // a damaged snapshot must not prevent new ones
    warnings_.push_back("all blocks are read again because the previous snapshot cannot be read: " +
                        found.error().Text());
    previous_ = nullptr;
    return false;
  }
  if (*found == nullptr) return false;
  const Attributes& before = (*found)->attributes();
  const Attributes& now = pinned.attributes;
  if (before.type != NodeType::kFile || before.size != now.size || before.mtime != now.mtime)
    return false;
  const bool is_same =
      before.inode == now.inode && before.ctime == now.ctime && now.ctime < *trusted_before_;
  if (!is_unchanging && !is_same) return false;
  const std::size_t slash = pinned.shown.rfind('/');
  item.path = pinned.path;
  item.attributes = pinned.attributes;
  item.content = Reuse{
      .path = pinned.path,
      .read = [directory = pinned.shown.substr(0, slash), name = pinned.shown.substr(slash + 1),
               path = pinned.path] { return OpenLater(directory, name, path); },
      .entry = *std::move(found)};
  return true;
}

}  // namespace holdfast::prometheus
