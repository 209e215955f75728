#include "common/repository/archive/archive_entry.h"

#include <charconv>
#include <iterator>

#include "common/base/format.h"
#include "common/repository/format/go_text.h"
#include "common/repository/format/json_reader.h"

namespace holdfast::repository {
namespace {

constexpr std::string_view kArchivedNodeHead = "holdfast node 1\n";
// Tar programs accept records of up to 1 MiB.
constexpr std::size_t kSizesTextMax = 512U << 10;
constexpr std::string_view kSizesUnknown = "-";

// Replaces the values of the top-level fields "content" and "subtree", unless the new value is
// empty. `replaced` is the number of replaced values.
Result<std::string> ReplaceFields(std::string_view json, std::string_view content,
                                  std::string_view subtree, unsigned& replaced) {
  JsonReader reader(json);
  std::string out;
  std::size_t copied = 0;
  replaced = 0;
  if (reader.BeginObject()) {
    for (std::string_view name; reader.NextField(name);) {
      const std::string key(name);
      const std::size_t begin = reader.position();
      if (!reader.Skip()) break;
      const std::string_view value = key == "content"   ? content
                                     : key == "subtree" ? subtree
                                                        : std::string_view();
      if (value.empty()) continue;
      out += json.substr(copied, begin - copied);
      out += value;
      copied = reader.offset();
      ++replaced;
    }
  }
  if (!reader.End()) return Fail(reader.status().error().While("read a node"));
  out += json.substr(copied);
  return out;
}

Error NoPlace(std::string_view what) {
  return Error(ErrorCode::kCorrupt, fmt::format("an entry has no position for its {}", what));
}

// "4096*12,77": runs of equal sizes.
std::string EncodeSizes(const std::vector<BlobRun>& runs) {
  std::string text;
  for (const BlobRun& run : runs) {
    if (!text.empty()) text += ',';
    fmt::format_to(std::back_inserter(text), "{}", run.bytes);
    if (run.count > 1) fmt::format_to(std::back_inserter(text), "*{}", run.count);
    if (text.size() > kSizesTextMax) return std::string(kSizesUnknown);
  }
  return text;
}

Result<std::vector<BlobRun>> DecodeSizes(std::string_view text) {
  std::vector<BlobRun> runs;
  const auto corrupt = [&] {
    return Fail(ErrorCode::kCorrupt, "the sizes of a file's blobs in the archive are invalid");
  };
  if (text.size() > kSizesTextMax) return corrupt();
  const auto take = [&](std::uint64_t& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return error == std::errc() && number > 0;
  };
  while (!text.empty()) {
    std::uint64_t size = 0;
    std::uint64_t count = 1;
    if (!take(size) || size > kArchivedBlobBytesMax) return corrupt();
    if (text.starts_with('*')) {
      text.remove_prefix(1);
      if (!take(count)) return corrupt();
    }
    runs.push_back({static_cast<std::uint32_t>(size), count});
    if (text.empty()) break;
    if (!text.starts_with(',') || text.size() == 1) return corrupt();
    text.remove_prefix(1);
  }
  return runs;
}

}  // namespace

Result<std::string> WithoutReferences(std::string_view json) {
  unsigned replaced = 0;
  return ReplaceFields(json, "null", "null", replaced);
}

Result<std::string> WithContent(std::string_view json, const std::vector<Id>& content) {
  std::string list = "[";
  for (const Id& id : content) {
    if (list.size() > 1) list += ',';
    list += '"' + id.Hex() + '"';
  }
  list += ']';
  unsigned replaced = 0;
  HF_ASSIGN(std::string out, ReplaceFields(json, list, {}, replaced));
  if (replaced != 1) return Fail(NoPlace("content"));
  return out;
}

Result<std::string> WithSubtree(std::string_view json, const Id& subtree) {
  unsigned replaced = 0;
  HF_ASSIGN(std::string out, ReplaceFields(json, {}, '"' + subtree.Hex() + '"', replaced));
  if (replaced != 1) return Fail(NoPlace("subtree"));
  return out;
}

std::string EncodeArchivedNode(const ArchivedNode& node) {
  std::string out(kArchivedNodeHead);
  out += node.blobs ? EncodeSizes(*node.blobs) : std::string(kSizesUnknown);
  out += '\n';
  AppendGoQuoted(out, node.path);
  out += '\n';
  return out + node.json;
}

Result<ArchivedNode> DecodeArchivedNode(std::string_view comment) {
  if (!comment.starts_with(kArchivedNodeHead)) {
    return Fail(ErrorCode::kUnsupported, "the archive was not created by `holdfast-agent export`",
                "unpack it with tar, and back up the directory with a source of kind files");
  }
  comment.remove_prefix(kArchivedNodeHead.size());
  const auto line = [&]() -> std::optional<std::string_view> {
    const std::size_t end = comment.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view text = comment.substr(0, end);
    comment.remove_prefix(end + 1);
    return text;
  };
  ArchivedNode node;
  const auto sizes = line();
  const auto path = line();
  if (!sizes || !path) return Fail(ErrorCode::kCorrupt, "a comment in the archive is cut short");
  if (*sizes == kSizesUnknown) {
    node.blobs.reset();
  } else {
    HF_ASSIGN(node.blobs, DecodeSizes(*sizes));
  }
  HF_ASSIGN(node.path, GoUnquote(*path));
  node.json = comment;
  return node;
}

}  // namespace holdfast::repository
