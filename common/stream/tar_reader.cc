#include "common/stream/tar_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "common/base/format.h"
#include "common/base/number.h"

namespace holdfast {
namespace {

constexpr std::size_t kBlock = 512;
// Limit for the pax records of one entry.
constexpr std::uint64_t kRecordsMax = 8U << 20;
constexpr std::uint64_t kContentMax = std::uint64_t{1} << 62;
constexpr std::size_t kShownBytesMax = 200;  // of untrusted text

using Block = std::array<std::uint8_t, kBlock>;

std::unexpected<Error> Corrupt(std::string message) {
  return Fail(ErrorCode::kCorrupt, std::move(message));
}

// Fields of ustar's header.
struct Field {
  std::size_t begin;
  std::size_t length;
};
constexpr Field kName{0, 100};
constexpr Field kSize{124, 12};
constexpr Field kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kTarget{157, 100};
constexpr Field kMagic{257, 6};
constexpr Field kPrefix{345, 155};

std::string_view Raw(const Block& block, const Field& field) {
  return AsText(ByteView(block).subspan(field.begin, field.length));
}

std::string Text(const Block& block, const Field& field) {
  const std::string_view raw = Raw(block, field);
  return std::string(raw.substr(0, raw.find('\0')));
}

Result<std::uint64_t> Octal(const Block& block, const Field& field) {
  std::string_view raw = Raw(block, field);
  while (raw.starts_with(' ')) raw.remove_prefix(1);
  while (raw.ends_with(' ') || raw.ends_with('\0')) raw.remove_suffix(1);
  const auto number = ParseWhole<std::uint64_t>(raw, 8);
  if (!number) return Corrupt("a number in a header of the archive is malformed");
  return *number;
}

bool HasRightChecksum(const Block& block) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const bool is_itself = i >= kChecksum.begin && i < kChecksum.begin + kChecksum.length;
    sum += is_itself ? std::uint64_t{' '} : block[i];
  }
  const Result<std::uint64_t> said = Octal(block, kChecksum);
  return said && *said == sum;
}

// What pax records say about the next entry.
struct Records {
  std::optional<std::string> path;
  std::optional<std::string> target;
  std::optional<std::uint64_t> size;
  std::string comment;
};

Result<void> TakeRecord(std::string_view key, std::string_view value, Records& records) {
  if (key == "path") {
    records.path = value;
  } else if (key == "linkpath") {
    records.target = value;
  } else if (key == "comment") {
    records.comment = value;
  } else if (key == "size") {
    const auto size = ParseWhole<std::uint64_t>(value);
    if (!size) {
      return Corrupt(fmt::format("the size {} in the archive is not a number",
                                 Quote(value.substr(0, kShownBytesMax))));
    }
    records.size = *size;
  } else if (key.starts_with("GNU.sparse.")) {
    return Fail(ErrorCode::kUnsupported, "the archive has a sparse file in GNU tar's format");
  }
  return {};
}

// Records of the form "LENGTH KEY=VALUE\n"; the length includes itself.
Result<void> ParseRecords(std::string_view text, Records& records) {
  while (!text.empty()) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    const auto digits = static_cast<std::size_t>(end - text.data());
    const bool is_good = error == std::errc() && length <= text.size() && length > digits + 2 &&
                         text[digits] == ' ' && text[length - 1] == '\n';
    if (!is_good) return Corrupt("a record in the archive is malformed");
    const std::string_view record = text.substr(digits + 1, length - digits - 2);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) return Corrupt("a record in the archive has no value");
    HF_TRY(TakeRecord(record.substr(0, equals), record.substr(equals + 1), records));
    text.remove_prefix(length);
  }
  return {};
}

}  // namespace

Result<void> TarReader::Fill(std::span<std::uint8_t> buffer) {
  while (!buffer.empty()) {
    HF_ASSIGN(const std::size_t count, read_(buffer));
    if (count == 0) return Corrupt("the archive is cut short");
    buffer = buffer.subspan(count);
  }
  return {};
}

Result<void> TarReader::SkipPadding() {
  Block block;
  HF_TRY(Fill(std::span(block).first(padding_)));
  padding_ = 0;
  return {};
}

Result<void> TarReader::Data(std::span<std::uint8_t> buffer) {
  HF_CHECK(buffer.size() <= left_);
  HF_TRY(Fill(buffer));
  left_ -= buffer.size();
  return {};
}

Result<std::string> TarReader::TakeRecords(std::uint64_t size) {
  if (size > kRecordsMax) return Corrupt("the archive has too many records");
  std::string text(size, '\0');
  HF_TRY(Fill({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}));
  padding_ = (kBlock - size % kBlock) % kBlock;
  HF_TRY(SkipPadding());
  return text;
}

Result<std::optional<TarEntry>> TarReader::End() {
  Block block;
  HF_TRY(Fill(block));
  if (!IsAllZero(block)) return Corrupt("the archive continues after its end");
  for (;;) {
    HF_ASSIGN(const std::size_t count, read_(block));
    if (count == 0) return std::nullopt;
    std::fill(block.begin() + static_cast<std::ptrdiff_t>(count), block.end(), std::uint8_t{0});
    if (!IsAllZero(block)) return Corrupt("data follow the end of the archive");
  }
}

Result<std::optional<TarEntry>> TarReader::Next() {
  HF_CHECK(left_ == 0);
  HF_TRY(SkipPadding());
  Records records;
  bool has_records = false;
  for (;;) {
    Block block;
    HF_TRY(Fill(block));
    if (IsAllZero(block)) {
      if (has_records) return Corrupt("the archive ends where an entry is expected");
      return End();
    }
    if (!HasRightChecksum(block)) {
      return Corrupt("the checksum of a header of the archive is wrong");
    }
    if (Raw(block, kMagic) != std::string_view("ustar\0", 6)) {
      return Fail(ErrorCode::kUnsupported, "the archive has another tar format");
    }
    const char type = static_cast<char>(block[kType]);
    HF_ASSIGN(const std::uint64_t size, Octal(block, kSize));
    if (type == 'x' || type == 'g') {
      if (has_records) return Corrupt("the archive has records where an entry is expected");
      HF_ASSIGN(const std::string text, TakeRecords(size));
      if (type == 'g') {
        Records global;
        HF_TRY(ParseRecords(text, global));
        return TarEntry{
            .type = 'g', .path = {}, .target = {}, .comment = std::move(global.comment)};
      }
      HF_TRY(ParseRecords(text, records));
      has_records = true;
      continue;
    }
    if (type < '0' || type > '6') {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("the archive has an entry of type {}", Quote({&type, 1})));
    }
    TarEntry entry{.type = type,
                   .path = Text(block, kName),
                   .target = Text(block, kTarget),
                   .size = records.size.value_or(size),
                   .comment = std::move(records.comment)};
    if (const std::string prefix = Text(block, kPrefix); !prefix.empty()) {
      entry.path = prefix + "/" + entry.path;
    }
    if (records.path) entry.path = *std::move(records.path);
    if (records.target) entry.target = *std::move(records.target);
    if (type == '5' && entry.path.ends_with('/')) entry.path.pop_back();
    if (entry.size > kContentMax || (type != '0' && entry.size != 0)) {
      return Corrupt(fmt::format("{} in the archive has an impossible size",
                                 Quote(std::string_view(entry.path).substr(0, kShownBytesMax))));
    }
    left_ = entry.size;
    padding_ = (kBlock - entry.size % kBlock) % kBlock;
    return entry;
  }
}

}  // namespace holdfast
