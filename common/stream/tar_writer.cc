#include "common/stream/tar_writer.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "common/base/format.h"

namespace holdfast {
namespace {

constexpr std::size_t kBlockBytes = 512;
// tar's record size; archives are padded to it.
constexpr std::size_t kRecordBytes = 20 * kBlockBytes;
constexpr std::size_t kNameBytesMax = 100;
constexpr std::size_t kOwnerBytesMax = 31;  // without the terminating zero
constexpr std::uint64_t kSizeMax = (1ULL << 33) - 1;
constexpr std::uint64_t kIdMax = (1ULL << 21) - 1;

// ustar's header (POSIX.1-1988); numbers are octal text.
struct Header {
  std::array<char, 100> name;
  std::array<char, 8> mode;
  std::array<char, 8> uid;
  std::array<char, 8> gid;
  std::array<char, 12> size;
  std::array<char, 12> mtime;
  std::array<char, 8> checksum;
  char type;
  std::array<char, 100> link_target;
  std::array<char, 8> magic;
  std::array<char, 32> user;
  std::array<char, 32> group;
  std::array<char, 8> device_major;
  std::array<char, 8> device_minor;
  std::array<char, 155> prefix;
  std::array<char, 12> unused;
};
static_assert(sizeof(Header) == kBlockBytes);

template <std::size_t kSize>
void PutText(std::array<char, kSize>& field, std::string_view text) {
  std::copy_n(text.data(), std::min(text.size(), kSize), field.data());
}

// REQUIRES: `number` fits.
template <std::size_t kSize>
void PutNumber(std::array<char, kSize>& field, std::uint64_t number) {
  PutText(field, fmt::format("{:0{}o}", number, kSize - 1));
}

void PutChecksum(Header& header) {
  header.checksum.fill(' ');
  unsigned sum = 0;
  for (const std::uint8_t byte : AsBytes({reinterpret_cast<const char*>(&header), sizeof header}))
    sum += byte;
  PutText(header.checksum, fmt::format("{:06o}", sum) + '\0');
}

// "LENGTH KEY=VALUE\n"; the length includes itself.
void AddRecord(std::string& records, std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (rest + fmt::format("{}", length).size() != length) ++length;
  records += fmt::format("{} ", length);
  records += key;
  records += '=';
  records += value;
  records += '\n';
}

// Before 1970 the fraction is negative, too: "-1.25".
std::string PaxTime(const UnixTime& time) {
  std::int64_t seconds = time.seconds;
  std::uint32_t nanoseconds = time.nanoseconds;
  const bool is_negative = seconds < 0;
  if (is_negative && nanoseconds != 0) {
    ++seconds;
    nanoseconds = 1'000'000'000 - nanoseconds;
  }
  std::string text = fmt::format("{}{}", is_negative && seconds == 0 ? "-" : "", seconds);
  if (nanoseconds != 0) text += fmt::format(".{:09}", nanoseconds);
  return text;
}

std::string PaxRecords(const std::string& name, const std::string& target,
                       const Attributes& attributes, std::uint64_t size, std::string_view comment) {
  std::string records;
  // Names are raw bytes; without "hdrcharset" a reader would treat them as UTF-8.
  const auto is_ascii = [](const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  };
  const auto needs_record = [&](const std::string& text, std::size_t bytes_max) {
    return text.size() > bytes_max || !is_ascii(text);
  };
  const bool has_name = needs_record(name, kNameBytesMax);
  const bool has_target = needs_record(target, kNameBytesMax);
  const bool has_user = needs_record(attributes.user, kOwnerBytesMax);
  const bool has_group = needs_record(attributes.group, kOwnerBytesMax);
  if (has_name || has_target || has_user || has_group) AddRecord(records, "hdrcharset", "BINARY");
  if (has_name) AddRecord(records, "path", name);
  if (has_target) AddRecord(records, "linkpath", target);
  if (has_user) AddRecord(records, "uname", attributes.user);
  if (has_group) AddRecord(records, "gname", attributes.group);
  if (size > kSizeMax) AddRecord(records, "size", fmt::format("{}", size));
  if (attributes.uid > kIdMax) AddRecord(records, "uid", fmt::format("{}", attributes.uid));
  if (attributes.gid > kIdMax) AddRecord(records, "gid", fmt::format("{}", attributes.gid));
  const UnixTime& mtime = attributes.mtime;
  if (mtime.nanoseconds != 0 || mtime.seconds < 0 ||
      static_cast<std::uint64_t>(mtime.seconds) > kSizeMax) {
    AddRecord(records, "mtime", PaxTime(mtime));
  }
  for (const ExtendedAttribute& extended : attributes.extended)
    AddRecord(records, "SCHILY.xattr." + extended.name, AsText(extended.value));
  if (!comment.empty()) AddRecord(records, "comment", comment);
  return records;
}

Header NewHeader(std::string_view name, char type, std::uint64_t size) {
  Header header{};
  PutText(header.name, name);
  PutNumber(header.size, std::min(size, kSizeMax));
  PutText(header.magic, std::string_view("ustar\0"
                                         "00",
                                         8));
  header.type = type;
  return header;
}

ByteView BytesOf(const Header& header) {
  return AsBytes({reinterpret_cast<const char*>(&header), sizeof header});
}

}  // namespace

Result<void> TarWriter::Block(ByteView bytes) {
  HF_TRY(write_(bytes));
  bytes_ += bytes.size();
  const std::size_t over = bytes.size() % kBlockBytes;
  if (over == 0) return {};
  static constexpr std::array<std::uint8_t, kBlockBytes> kZeros{};
  bytes_ += kBlockBytes - over;
  return write_(ByteView(kZeros).first(kBlockBytes - over));
}

Result<void> TarWriter::EndFile() {
  if (left_ == 0) return {};
  return Fail(ErrorCode::kCorrupt,
              fmt::format("{} has {} less than its size", Quote(path_), FormatBytes(left_)));
}

Result<void> TarWriter::Records(char type, std::string_view records) {
  Header header = NewHeader("././@PaxHeader", type, records.size());
  PutNumber(header.mode, 0644);
  PutNumber(header.uid, 0);
  PutNumber(header.gid, 0);
  PutNumber(header.mtime, 0);
  PutChecksum(header);
  HF_TRY(Block(BytesOf(header)));
  return Block(AsBytes(records));
}

Result<void> TarWriter::Comment(std::string_view text) {
  HF_TRY(EndFile());
  std::string records;
  AddRecord(records, "comment", text);
  return Records('g', records);
}

Result<void> TarWriter::Begin(const std::string& path, const Attributes& attributes,
                              const TarExtras& extras) {
  HF_TRY(EndFile());
  if (attributes.type == NodeType::kSocket) {
    return Fail(ErrorCode::kUnsupported, fmt::format("{} is a socket", Quote(path)));
  }
  const bool is_other_name = !extras.link_to.empty();
  const bool has_content = attributes.type == NodeType::kFile && !is_other_name;
  const std::string target = is_other_name                           ? std::string(extras.link_to)
                             : attributes.type == NodeType::kSymlink ? attributes.link_target
                                                                     : "";
  const std::string name = attributes.type == NodeType::kDirectory ? path + "/" : path;
  const std::uint64_t size = has_content ? attributes.size : 0;
  const std::string records = PaxRecords(name, target, attributes, size, extras.comment);
  if (!records.empty()) HF_TRY(Records('x', records));
  Header header = NewHeader(name, is_other_name ? '1' : TarTypeOf(attributes.type), size);
  PutNumber(header.mode, attributes.mode & 07777);
  PutNumber(header.uid, std::min<std::uint64_t>(attributes.uid, kIdMax));
  PutNumber(header.gid, std::min<std::uint64_t>(attributes.gid, kIdMax));
  const std::int64_t mtime = std::clamp<std::int64_t>(attributes.mtime.seconds, 0, kSizeMax);
  PutNumber(header.mtime, static_cast<std::uint64_t>(mtime));
  PutText(header.link_target, target);
  PutText(header.user, attributes.user.substr(0, kOwnerBytesMax));
  PutText(header.group, attributes.group.substr(0, kOwnerBytesMax));
  if (attributes.type == NodeType::kCharDevice || attributes.type == NodeType::kBlockDevice) {
    PutNumber(header.device_major, std::min<std::uint64_t>(major(attributes.device), kIdMax));
    PutNumber(header.device_minor, std::min<std::uint64_t>(minor(attributes.device), kIdMax));
  }
  PutChecksum(header);
  path_ = path;
  left_ = size;
  return Block(BytesOf(header));
}

Result<void> TarWriter::Data(ByteView bytes) {
  if (bytes.size() > left_) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{} has more than its size", Quote(path_)));
  }
  left_ -= bytes.size();
  bytes_ += bytes.size();
  HF_TRY(write_(bytes));
  if (left_ != 0 || bytes_ % kBlockBytes == 0) return {};
  static constexpr std::array<std::uint8_t, kBlockBytes> kZeros{};
  const std::size_t fill = kBlockBytes - bytes_ % kBlockBytes;
  bytes_ += fill;
  return write_(ByteView(kZeros).first(fill));
}

Result<void> TarWriter::Finish() {
  HF_TRY(EndFile());
  const std::uint64_t end = bytes_ + 2 * kBlockBytes;
  const Bytes zeros((end + kRecordBytes - 1) / kRecordBytes * kRecordBytes - bytes_);
  return Block(zeros);
}

}  // namespace holdfast
