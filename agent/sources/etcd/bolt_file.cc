#include "agent/sources/etcd/bolt_file.h"

#include <algorithm>
#include <array>

#include "common/base/format.h"

namespace holdfast::etcd {
namespace {

constexpr std::size_t kPageHeaderBytes = 16;
constexpr std::size_t kElementBytes = 16;  // in branch and leaf pages
constexpr std::size_t kMetaBytes = 64;
constexpr std::uint32_t kMagic = 0xED0CDAED;
constexpr std::uint32_t kVersion = 2;
constexpr unsigned kBranchFlag = 1;
constexpr unsigned kLeafFlag = 2;
constexpr unsigned kMetaFlag = 4;
constexpr std::uint32_t kBucketFlag = 1;
constexpr int kDepthMax = 32;
// A leaf page holds at least one complete entry, and etcd's request limit is far below this.
constexpr std::uint64_t kPageBytesMax = 64U << 20;

// bbolt uses the machine's byte order; etcd runs on little-endian machines.
template <typename T>
T Load(ByteView bytes, std::size_t offset) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>(value | static_cast<T>(static_cast<T>(bytes[offset + i]) << (8 * i)));
  return value;
}

std::uint64_t Fnv1a(ByteView bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3ULL;
  return hash;
}

std::unexpected<Error> Damaged(std::string what) {
  return Fail(ErrorCode::kCorrupt, "the database file is damaged: " + std::move(what));
}

}  // namespace

struct BoltFile::Page {
  Bytes bytes;
  bool is_leaf = false;
  std::size_t count = 0;

  Result<Entry> At(std::size_t index) const {
    std::size_t at = kPageHeaderBytes + index * kElementBytes;
    std::size_t position = 0;
    std::size_t key_bytes = 0;
    std::size_t value_bytes = 0;
    Entry entry;
    if (is_leaf) {
      entry.is_bucket = (Load<std::uint32_t>(bytes, at) & kBucketFlag) != 0;
      position = Load<std::uint32_t>(bytes, at + 4);
      key_bytes = Load<std::uint32_t>(bytes, at + 8);
      value_bytes = Load<std::uint32_t>(bytes, at + 12);
    } else {
      position = Load<std::uint32_t>(bytes, at);
      key_bytes = Load<std::uint32_t>(bytes, at + 4);
    }
    if (at + position + key_bytes + value_bytes > bytes.size())
      return Damaged("an entry reaches beyond its page");
    entry.key = ByteView(bytes).subspan(at + position, key_bytes);
    entry.value = ByteView(bytes).subspan(at + position + key_bytes, value_bytes);
    return entry;
  }
  std::uint64_t ChildAt(std::size_t index) const {
    return Load<std::uint64_t>(bytes, kPageHeaderBytes + index * kElementBytes + 8);
  }
};

Result<void> BoltFile::ReadMeta(std::uint64_t offset) {
  if (offset > size_ || size_ - offset < kPageHeaderBytes + kMetaBytes)
    return Damaged("it is too short");
  std::array<std::uint8_t, kPageHeaderBytes + kMetaBytes> raw{};
  HF_TRY(read_(offset, raw));
  ByteView meta = ByteView(raw).subspan(kPageHeaderBytes);
  if ((Load<std::uint16_t>(raw, 8) & kMetaFlag) == 0 || Load<std::uint32_t>(meta, 0) != kMagic)
    return Damaged("a meta page is missing");
  if (Load<std::uint32_t>(meta, 4) != kVersion)
    return Fail(ErrorCode::kUnsupported,
                fmt::format("the database file has format {}", Load<std::uint32_t>(meta, 4)));
  if (Load<std::uint64_t>(meta, 56) != Fnv1a(meta.first(56)))
    return Damaged("a meta page's checksum is wrong");
  std::uint32_t page_bytes = Load<std::uint32_t>(meta, 8);
  if (page_bytes < 1024 || page_bytes > (1U << 20) || (page_bytes & (page_bytes - 1)) != 0)
    return Damaged("the page size is impossible");
  std::uint64_t transaction = Load<std::uint64_t>(meta, 48);
  if (has_meta_ && transaction <= transaction_) return {};
  has_meta_ = true;
  page_bytes_ = page_bytes;
  root_ = Load<std::uint64_t>(meta, 16);
  transaction_ = transaction;
  return {};
}

Result<BoltFile> BoltFile::Open(ReadAt read, std::uint64_t size_bytes) {
  BoltFile file(std::move(read), size_bytes);
  auto first = file.ReadMeta(0);
  if (!first && first.error().code() != ErrorCode::kCorrupt) return Fail(first.error());
  if (first) {
    // One valid meta page is enough: the other may be half written after a crash.
    auto second = file.ReadMeta(file.page_bytes_);
    if (!second && second.error().code() != ErrorCode::kCorrupt) return Fail(second.error());
    return file;
  }
  for (std::uint32_t page = 4096; page <= 65536 && !file.has_meta_; page *= 2)
    (void)file.ReadMeta(page);  // the first failure is reported
  if (!file.has_meta_) return Fail(std::move(first).error());
  return file;
}

Result<BoltFile::Page> BoltFile::ParsePage(Bytes bytes) {
  if (bytes.size() < kPageHeaderBytes) return Damaged("a page is too short");
  Page page;
  unsigned flags = Load<std::uint16_t>(bytes, 8);
  page.is_leaf = (flags & kLeafFlag) != 0;
  if (!page.is_leaf && (flags & kBranchFlag) == 0) return Damaged("a page is not part of a tree");
  page.count = Load<std::uint16_t>(bytes, 10);
  if (kPageHeaderBytes + page.count * kElementBytes > bytes.size())
    return Damaged("a page claims more entries than it can hold");
  page.bytes = std::move(bytes);
  return page;
}

Result<BoltFile::Page> BoltFile::ReadPage(std::uint64_t id) const {
  std::uint64_t pages = size_ / page_bytes_;
  if (id < 2 || id >= pages) return Damaged(fmt::format("there is no page {}", id));
  std::array<std::uint8_t, kPageHeaderBytes> header{};
  HF_TRY(read_(id * page_bytes_, header));
  if (Load<std::uint64_t>(header, 0) != id)
    return Damaged(fmt::format("page {} has the number of another page", id));
  std::uint64_t span = std::uint64_t{Load<std::uint32_t>(header, 12)} + 1;
  if (span > pages - id || span * page_bytes_ > kPageBytesMax)
    return Damaged(fmt::format("page {} claims an impossible length", id));
  Bytes bytes(static_cast<std::size_t>(span * page_bytes_));
  HF_TRY(read_(id * page_bytes_, bytes));
  return ParsePage(std::move(bytes));
}

Result<bool> BoltFile::Walk(const Page& page, int depth, std::uint64_t& pages_left,
                            const VisitEntry& visit) const {
  // Limits depth and number of pages, so that a cycle of links cannot hang the walk.
  if (depth > kDepthMax || pages_left == 0) return Damaged("its pages form a cycle");
  --pages_left;
  for (std::size_t i = 0; i < page.count; ++i) {
    if (page.is_leaf) {
      HF_ASSIGN(Entry entry, page.At(i));
      HF_ASSIGN(bool more, visit(entry));
      if (!more) return false;
    } else {
      HF_ASSIGN(Page child, ReadPage(page.ChildAt(i)));
      HF_ASSIGN(bool more, Walk(child, depth + 1, pages_left, visit));
      if (!more) return false;
    }
  }
  return true;
}

Result<std::optional<BoltFile::Page>> BoltFile::BucketRoot(std::string_view name) const {
  HF_ASSIGN(Page top, ReadPage(root_));
  std::uint64_t pages_left = size_ / page_bytes_;
  std::optional<Bytes> value;
  HF_TRY(Walk(top, 0, pages_left, [&](const Entry& entry) -> Result<bool> {
    if (!entry.is_bucket || AsText(entry.key) != name) return true;
    value = Bytes(entry.value.begin(), entry.value.end());
    return false;
  }));
  if (!value) return std::nullopt;
  if (value->size() < 16) return Damaged("a bucket's entry is too short");
  std::uint64_t root = Load<std::uint64_t>(*value, 0);
  if (root != 0) {
    HF_ASSIGN(Page page, ReadPage(root));
    return page;
  }
  value->erase(value->begin(), value->begin() + 16);
  HF_ASSIGN(Page page, ParsePage(*std::move(value)));
  if (!page.is_leaf) return Damaged("a bucket in an entry is not a leaf");
  return page;
}

Result<void> BoltFile::ForEach(std::string_view bucket, const Visit& visit) const {
  HF_ASSIGN(auto root, BucketRoot(bucket));
  if (!root) return {};
  std::uint64_t pages_left = size_ / page_bytes_ + 1;
  HF_TRY(Walk(*root, 0, pages_left, [&](const Entry& entry) -> Result<bool> {
    return entry.is_bucket ? Result<bool>(true) : visit(entry.key, entry.value);
  }));
  return {};
}

Result<std::optional<Bytes>> BoltFile::Get(std::string_view bucket, std::string_view key) const {
  std::optional<Bytes> found;
  HF_TRY(ForEach(bucket, [&](ByteView entry_key, ByteView value) -> Result<bool> {
    if (AsText(entry_key) != key) return true;
    found = Bytes(value.begin(), value.end());
    return false;
  }));
  return found;
}

Result<std::optional<Bytes>> BoltFile::LastKey(std::string_view bucket) const {
  HF_ASSIGN(auto page, BucketRoot(bucket));
  for (int depth = 0; page && depth <= kDepthMax; ++depth) {
    if (page->count == 0) return std::nullopt;
    std::size_t last = page->count - 1;
    if (page->is_leaf) {
      HF_ASSIGN(Entry entry, page->At(last));
      return Bytes(entry.key.begin(), entry.key.end());
    }
    HF_ASSIGN(page, ReadPage(page->ChildAt(last)));
  }
  if (!page) return std::nullopt;
  return Damaged("its pages form a cycle");
}

}  // namespace holdfast::etcd
