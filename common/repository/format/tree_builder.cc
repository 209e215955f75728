#include <algorithm>
#include <utility>

#include "common/base/format.h"
#include "common/repository/format/tree_codec.h"

namespace holdfast::repository {
namespace {

// Text is passed to a large blob in pieces of this size.
constexpr std::size_t kFlushBytes = 64U << 10;

}  // namespace

bool TreeBuilder::Has(std::string_view name) {
  if (large_) {
    if (name > names_) return false;
    if (name == names_) return true;
    BecomeSmall();
  }
  if (entries_.empty()) return false;
  if (is_sorted_) {
    const auto found = std::lower_bound(
        entries_.begin(), entries_.end(), name,
        [this](const NodeSpan& entry, std::string_view wanted) { return NameOf(entry) < wanted; });
    return found != entries_.end() && NameOf(*found) == name;
  }
  return seen_.contains(std::string(name));
}

bool TreeBuilder::Prepare(std::string_view name) {
  if (Has(name)) return false;
  if (is_sorted_ && !entries_.empty() && NameOf(entries_.back()) > name) {
    is_sorted_ = false;
    for (const NodeSpan& entry : entries_) seen_.emplace(NameOf(entry));
  }
  if (!is_sorted_) seen_.emplace(name);
  ++size_;
  if (large_) {
    names_ = name;
    return true;
  }
  if (json_.empty()) json_ = ToBytes(kTreeHead);
  entries_.push_back({json_.size(), names_.size(), 0, static_cast<std::uint32_t>(name.size())});
  names_ += name;
  return true;
}

void TreeBuilder::Append(std::string_view json) {
  const ByteView bytes = AsBytes(json);
  if (large_) {
    json_.push_back(',');
    json_.insert(json_.end(), bytes.begin(), bytes.end());
    if (json_.size() >= kFlushBytes) Flush();
    return;
  }
  json_.insert(json_.end(), bytes.begin(), bytes.end());
  json_.push_back(',');
  entries_.back().json_length = static_cast<std::uint32_t>(json.size());
  if (compression_ && is_sorted_ && json_.size() >= kLargeTreeBytes) BecomeLarge();
}

void TreeBuilder::Flush() {
  large_->Add(AsText(json_));
  json_.clear();
}

void TreeBuilder::BecomeLarge() {
  large_.emplace(*compression_);
  json_.pop_back();  // the trailing comma
  Flush();
  json_ = Bytes();
  names_ = std::string(NameOf(entries_.back()));
  entries_ = std::vector<NodeSpan>();
}

// Names do not ascend any more, so the positions of all nodes are needed.
void TreeBuilder::BecomeSmall() {
  Flush();
  Bytes text = large_->TakeText();
  large_.reset();
  compression_.reset();
  const std::size_t size = text.size();
  const ByteView tail = AsBytes(kTreeTail);
  text.insert(text.end(), tail.begin(), tail.end());
  names_.clear();
  const Result<void> visited =
      VisitTree(Id{}, text, [&](const TreeNode& node, std::string_view json) -> Result<void> {
        entries_.push_back({static_cast<std::uint64_t>(json.data() - AsText(text).data()),
                            names_.size(), static_cast<std::uint32_t>(json.size()),
                            static_cast<std::uint32_t>(node.name.size())});
        names_ += node.name;
        return {};
      });
  HF_CHECK(visited.has_value() && entries_.size() == size_);
  text.resize(size);
  text.push_back(',');
  json_ = std::move(text);
}

bool TreeBuilder::Add(const TreeNode& node) {
  if (!Prepare(node.name)) return false;
  scratch_.clear();
  AppendNode(scratch_, node);
  Append(scratch_);
  return true;
}

bool TreeBuilder::AddJson(std::string_view name, std::string_view json) {
  if (!Prepare(name)) return false;
  Append(json);
  return true;
}

Result<void> TreeBuilder::CheckSize(std::uint64_t bytes) const {
  if (bytes + kTreeTail.size() <= kBlobBytesMax) return {};
  return Fail(ErrorCode::kUnsupported,
              fmt::format("a directory of {} entries does not fit into one tree blob", size()),
              "distribute its files over several directories");
}

void TreeBuilder::Clear() {
  TreeBuilder empty;
  empty.compression_ = compression_;
  *this = std::move(empty);
}

Result<GrowingTree::Finished> TreeBuilder::FinishLarge() {
  HF_CHECK(large_.has_value());
  Flush();
  HF_TRY(CheckSize(large_->bytes()));
  large_->Add(kTreeTail);
  GrowingTree::Finished finished = large_->Finish();
  Clear();
  return finished;
}

Result<Bytes> TreeBuilder::Finish() {
  if (large_) BecomeSmall();
  HF_TRY(CheckSize(json_.size()));
  Bytes blob;
  if (is_sorted_) {
    blob = entries_.empty() ? ToBytes(kTreeHead) : std::move(json_);
  } else {
    std::ranges::sort(entries_, {}, [this](const NodeSpan& entry) { return NameOf(entry); });
    blob = ToBytes(kTreeHead);
    blob.reserve(json_.size() + kTreeTail.size());
    for (const NodeSpan& entry : entries_) {
      auto begin = json_.begin() + static_cast<std::ptrdiff_t>(entry.json_begin);
      blob.insert(blob.end(), begin, begin + entry.json_length + 1);  // with its comma
    }
  }
  if (!entries_.empty()) blob.pop_back();
  ByteView tail = AsBytes(kTreeTail);
  blob.insert(blob.end(), tail.begin(), tail.end());
  Clear();
  return blob;
}

}  // namespace holdfast::repository
