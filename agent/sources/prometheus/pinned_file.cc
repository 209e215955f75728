#include "agent/sources/prometheus/pinned_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/format.h"

namespace holdfast::prometheus {
namespace {

class PinnedReader final : public ByteReader {
 public:
  explicit PinnedReader(PinnedFile pinned) : pinned_(std::move(pinned)) {}

  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    const std::uint64_t left = pinned_.attributes.size - at_;
    const std::size_t count = std::min<std::uint64_t>(buffer.size(), left);
    if (count == 0) return 0;
    HF_TRY(ReadAllAt(pinned_.file.get(), buffer.first(count), at_, pinned_.shown));
    at_ += count;
    return count;
  }
  Result<Outcome> Finish() override { return Outcome{.attributes = pinned_.attributes}; }

 private:
  const PinnedFile pinned_;
  std::uint64_t at_ = 0;
};

}  // namespace

Result<std::optional<PinnedFile>> PinFile(int directory, const std::string& name, std::string path,
                                          std::string shown, filetree::NameCache& names) {
  auto file = OpenFileAt(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, shown);
  if (!file) {
    if (file.error().code() == ErrorCode::kNotFound) return std::nullopt;
    return Fail(std::move(file).error());
  }
  HF_ASSIGN(const struct stat status, StatRegularFile(file->get(), shown));
  return PinnedFile{.path = std::move(path),
                    .shown = std::move(shown),
                    .file = *std::move(file),
                    .attributes = filetree::FromStat(status, names)};
}

Item PinnedItem(PinnedFile pinned) {
  Item item;
  item.path = pinned.path;
  item.attributes = pinned.attributes;
  item.content = std::make_unique<PinnedReader>(std::move(pinned));
  return item;
}

Result<Item> DirectoryItem(int directory, std::string path, const std::string& shown,
                           filetree::NameCache& names) {
  struct stat status {};
  if (::fstat(directory, &status) != 0) return Fail(ErrnoError(errno, "stat " + Quote(shown)));
  Item item;
  item.path = std::move(path);
  item.attributes = filetree::FromStat(status, names);
  return item;
}

}  // namespace holdfast::prometheus
