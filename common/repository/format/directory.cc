#include <algorithm>
#include <iterator>
#include <limits>

#include "common/repository/format/tree_codec.h"

namespace holdfast::repository {
namespace {

// Size of the pieces of a large directory before compression.
constexpr std::size_t kPackedPieceBytes = 64U << 10;

}  // namespace

// The compressed pieces of a large directory. Each has the head and tail of a tree blob, so that it
// is parsed like one.
struct Directory::Packed {
  struct Piece {
    std::size_t first = 0;  // number of its first entry
    std::string first_name;
    std::unique_ptr<std::uint8_t[]> frame;
    std::size_t frame_bytes = 0;
    std::size_t text_bytes = 0;
  };
  std::vector<Piece> pieces;
  std::size_t size = 0;
  std::size_t bytes = 0;     // of all pieces
  std::size_t open = kNone;  // the piece that is unpacked
  Decompressor decompressor;
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
};

Directory::Directory() = default;
Directory::Directory(Directory&&) noexcept = default;
Directory& Directory::operator=(Directory&&) noexcept = default;
Directory::~Directory() = default;

Directory::Packer::Packer(const Id& id) : id_(id), packed_(std::make_unique<Packed>()) {}
Directory::Packer::~Packer() = default;

void Directory::Packer::Add(std::string_view name, std::string_view json) {
  Packed& packed = *packed_;
  if (packed.size > 0 && name <= last_name_) is_ascending_ = false;
  if (!is_ascending_) return;
  if (text_.empty()) {
    text_ = kTreeHead;
    packed.pieces.push_back(
        {.first = packed.size, .first_name = std::string(name), .frame = nullptr});
  } else {
    text_ += ',';
  }
  text_ += json;
  last_name_ = name;
  ++packed.size;
  if (text_.size() >= kPackedPieceBytes) Close();
}

void Directory::Packer::Close() {
  if (text_.empty()) return;
  text_ += kTreeTail;
  const ByteView frame = compressor_.Compress(AsBytes(text_));
  Packed::Piece& piece = packed_->pieces.back();
  piece.frame = std::make_unique_for_overwrite<std::uint8_t[]>(frame.size());
  std::ranges::copy(frame, piece.frame.get());
  piece.frame_bytes = frame.size();
  piece.text_bytes = text_.size();
  packed_->bytes += sizeof piece + piece.first_name.capacity() + frame.size();
  text_.clear();
}

std::optional<Directory> Directory::Packer::Finish() {
  Close();
  if (!is_ascending_) return std::nullopt;
  Directory directory;
  directory.id_ = id_;
  directory.packed_ = std::move(packed_);
  return directory;
}

Result<Directory::Text> Directory::ParseText(const Id& id, Bytes blob) {
  Text text;
  text.json = std::move(blob);
  const char* begin = AsText(text.json).data();
  HF_TRY(VisitNames(id, text.json, [&](std::string_view name, std::string_view json) {
    text.entries.push_back({static_cast<std::uint64_t>(json.data() - begin), text.names.size(),
                            static_cast<std::uint32_t>(json.size()),
                            static_cast<std::uint32_t>(name.size())});
    text.names += name;
  }));
  const auto name_of = [&](const NodeSpan& entry) {
    return std::string_view(text.names).substr(entry.name_begin, entry.name_length);
  };
  // Other programs may write nodes in any order. Of two with the same name, the first counts.
  if (!std::ranges::is_sorted(text.entries, {}, name_of)) {
    std::ranges::stable_sort(text.entries, {}, name_of);
  }
  const auto repeated = std::ranges::unique(text.entries, {}, name_of);
  text.entries.erase(repeated.begin(), repeated.end());
  return text;
}

Result<Directory> Directory::Parse(const Id& id, Bytes blob) {
  Directory directory;
  directory.id_ = id;
  HF_ASSIGN(directory.text_, ParseText(id, std::move(blob)));
  return directory;
}

std::pair<const Directory::Text*, std::size_t> Directory::TextWith(std::size_t i) const {
  if (packed_ == nullptr) return {&text_, i};
  Packed& packed = *packed_;
  const auto after = std::ranges::upper_bound(packed.pieces, i, {}, &Packed::Piece::first);
  const Packed::Piece& piece = *std::prev(after);
  const auto number = static_cast<std::size_t>(&piece - packed.pieces.data());
  if (packed.open != number) {
    Bytes blob(piece.text_bytes);
    const bool is_good =
        packed.decompressor.DecompressInto({piece.frame.get(), piece.frame_bytes}, blob)
            .has_value();
    HF_CHECK(is_good);  // we made it
    Result<Text> text = ParseText(id_, std::move(blob));
    HF_CHECK(text.has_value());  // each of its nodes was read before
    text_ = *std::move(text);
    packed.open = number;
  }
  return {&text_, i - piece.first};
}

std::size_t Directory::size() const {
  return packed_ == nullptr ? text_.entries.size() : packed_->size;
}

std::string_view Directory::name(std::size_t i) const {
  const auto [text, entry] = TextWith(i);
  return text->name(entry);
}

std::string_view Directory::json(std::size_t i) const {
  const auto [text, entry] = TextWith(i);
  return AsText(text->json)
      .substr(text->entries[entry].json_begin, text->entries[entry].json_length);
}

Result<TreeNode> Directory::Node(std::size_t i) const {
  Result<TreeNode> node = DecodeNode(json(i));
  if (!node) return Fail(std::move(node).error().While("tree " + id_.Hex()));
  return node;
}

std::optional<std::size_t> Directory::Text::Find(std::string_view wanted) const {
  const auto found = std::ranges::lower_bound(entries, wanted, {}, [this](const NodeSpan& entry) {
    return std::string_view(names).substr(entry.name_begin, entry.name_length);
  });
  if (found == entries.end()) return std::nullopt;
  const auto i = static_cast<std::size_t>(found - entries.begin());
  if (name(i) != wanted) return std::nullopt;
  return i;
}

std::optional<std::size_t> Directory::Find(std::string_view wanted) const {
  if (packed_ == nullptr) return text_.Find(wanted);
  const auto after = std::ranges::upper_bound(
      packed_->pieces, wanted, {},
      [](const Packed::Piece& piece) { return std::string_view(piece.first_name); });
  if (after == packed_->pieces.begin()) return std::nullopt;
  const std::size_t first = std::prev(after)->first;
  const std::optional<std::size_t> found = TextWith(first).first->Find(wanted);
  if (!found) return std::nullopt;
  return first + *found;
}

std::size_t Directory::memory() const {
  return sizeof *this + text_.memory() + (packed_ == nullptr ? 0 : packed_->bytes);
}

}  // namespace holdfast::repository
