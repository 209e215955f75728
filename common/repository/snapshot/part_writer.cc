#include "common/repository/snapshot/part_writer.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

#include "common/base/format.h"
#include "common/base/path.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/snapshot/repository_view.h"
#include "common/repository/snapshot/resume_log.h"
#include "common/repository/tree/content_saver.h"
#include "common/repository/tree/own_file.h"
#include "common/repository/tree/tree_blobs.h"

namespace holdfast::repository {
namespace {

// How many items may wait for their blobs.
constexpr std::size_t kReadMax = 2048;
// Larger entries of the previous snapshot are looked up again rather than kept.
constexpr std::size_t kEntryBytesKept = 4096;

// Unlike a path that a user types, an item's path must be exact. The part that it shares with
// `good` is not checked again: a path may have many thousand components.
Result<void> CheckItemPath(std::string_view path, std::string_view good) {
  const std::size_t slash = path.substr(0, CommonBytes(path, good)).rfind('/');
  const std::string_view rest = slash == std::string_view::npos ? path : path.substr(slash + 1);
  if (rest.empty() || rest.starts_with('/') || rest.ends_with('/')) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("bad item path {}", Quote(path)));
  }
  HF_TRY(SplitPath(rest));
  return {};
}

Attributes DefaultDirectory() {
  Attributes attributes;
  attributes.type = NodeType::kDirectory;
  attributes.mode = 0755;
  return attributes;
}

// A directory that is being filled.
struct OpenDirectory {
  std::string name;
  Attributes attributes;
  bool is_announced = false;  // else it gets the time of its newest entry, so that it changes only
                              // if an entry does
  TreeBuilder entries;
  std::size_t path_bytes = 0;  // length of its path
};

class PartWriterImpl final : public PartWriter {
 public:
  PartWriterImpl(Repository& repository, const PartOptions& options)
      : repository_(repository),
        previous_(dynamic_cast<RepositoryView*>(options.previous)),
        resume_(options.resume),
        progress_(options.progress),
        writer_(BlobWriter::Begin(repository, options.lock, options.compression, options.known)),
        saver_(repository.keys(), *writer_, options.progress),
        trees_(repository, *writer_, options.lock, options.known) {
    open_.push_back({"", DefaultDirectory(), false, trees_.NewBuilder(), 0});
  }

  Result<void> Add(Item item) override {
    HF_CHECK(!is_over_);
    Result<void> added = TryAdd(std::move(item));
    if (!added) is_over_ = true;
    return added;
  }

  Result<const Part*> part() override {
    HF_CHECK(!is_over_);
    HF_TRY(PlaceAll());
    part_.statistics.blobs = writer_->statistics() + trees_.statistics();
    return &part_;
  }

  Result<void> AddOwnFile(std::string_view name, ByteView content, WallTime time) override {
    HF_CHECK(!is_over_);
    HF_TRY(PlaceAll());
    while (open_.size() > 1) HF_TRY(Leave());
    HF_ASSIGN(TreeNode node, SaveOwnFile(*writer_, name, content, time));
    Encode(node);
    return AddNode(node, name);
  }

  Result<Part> Finish() override {
    HF_CHECK(!is_over_);
    is_over_ = true;
    HF_TRY(PlaceAll());
    while (open_.size() > 1) HF_TRY(Leave());
    HF_ASSIGN(part_.tree, trees_.Save(open_.back().entries));
    HF_ASSIGN(const BlobStatistics written, writer_->Finish());
    HF_TRY(trees_.Finish());
    part_.statistics.blobs = written + trees_.statistics();
    return std::move(part_);
  }

 private:
  // An item that was read. Its blobs may still be pending.
  struct Read {
    std::string path;
    TreeNode node;
    std::shared_ptr<BlobIds> content;  // null: no content, or the node has it already
    // The previous snapshot's entry, if it was looked up; else null.
    std::unique_ptr<const SnapshotEntry> before = nullptr;
    bool is_reused_directory = false;
    bool is_resumable = false;  // the next run need not read it again if this one is interrupted
  };

  Result<void> TryAdd(Item item) {
    HF_TRY(CheckItemPath(item.path, last_path_));
    last_path_ = item.path;
    Read read;
    read.node.name = BaseName(item.path);
    read.node.attributes = item.attributes;
    const bool has_content = !std::holds_alternative<std::monostate>(item.content);
    if (item.attributes.type == NodeType::kFile) {
      HF_ASSIGN(std::optional<Error> unreadable, FillFile(item, read));
      if (unreadable) {
        return LeaveOut(item, std::move(*unreadable).While("read " + Quote(item.path)));
      }
    } else if (auto* reuse = std::get_if<Reuse>(&item.content);
               reuse != nullptr && item.attributes.type == NodeType::kDirectory) {
      if (Result<void> taken = TakeOverDirectory(*reuse, read.node); !taken) {
        return LeaveOut(item, std::move(taken).error().While("reuse " + Quote(item.path)));
      }
      read.is_reused_directory = true;
    } else if (has_content) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("item {} has content but is not a file", Quote(item.path)));
    }
    read.path = std::move(item.path);
    read_.push_back(std::move(read));
    return PlaceSome();
  }

  Result<void> LeaveOut(Item& item, Error error) {
    if (item.required) return Fail(std::move(error));
    part_.left_out.push_back({std::move(item.path), std::move(error)});
    return {};
  }

  // Moves items whose blobs are complete from read_ to the tree, in the order of Add(). Waits for
  // blobs if too many items are pending.
  Result<void> PlaceSome() {
    while (!read_.empty()) {
      const BlobIds* content = read_.front().content.get();
      const bool is_there = content == nullptr || content->is_complete();
      if (!is_there && read_.size() <= kReadMax) return {};
      HF_TRY(PlaceFirst());
    }
    return {};
  }

  Result<void> PlaceAll() {
    while (!read_.empty()) HF_TRY(PlaceFirst());
    return {};
  }

  Result<void> PlaceFirst() {
    Read read = std::move(read_.front());
    read_.pop_front();
    if (read.content != nullptr) {
      HF_TRY(writer_->WaitFor(*read.content));
      read.node.content = read.content->Take();
    }
    return Place(std::move(read));
  }

  Result<void> Place(Read read) {
    HF_TRY(Enter(PathAbove(read.path), read.path));
    if (open_.back().entries.Has(read.node.name)) return OutOfOrder(read.path);
    const NodeType type = read.node.attributes.type;
    CountItem();
    if (type == NodeType::kDirectory && !read.is_reused_directory) {
      Open(std::move(read.node.name), std::move(read.node.attributes), true);
      return {};
    }
    if (read.is_reused_directory) ++part_.statistics.directories_unmodified;
    Encode(read.node);
    if (type == NodeType::kFile) CountFile(read);
    if (read.is_resumable && resume_ != nullptr) {
      resume_->Record(read.path, read.node.attributes, read.node.content);
    }
    return AddNode(read.node, read.path);
  }

  void Encode(const TreeNode& node) {
    json_.clear();
    AppendNode(json_, node);
  }

  // REQUIRES: json_ is the node's.
  void CountFile(const Read& read) {
    PartStatistics& statistics = part_.statistics;
    statistics.bytes_processed += read.node.attributes.size;
    switch (Compare(read.path, FoundIn(read.before))) {
      case Change::kNew:
        ++statistics.files_new;
        break;
      case Change::kChanged:
        ++statistics.files_changed;
        break;
      case Change::kNone:
        ++statistics.files_unmodified;
        break;
    }
  }

  static Result<void> OutOfOrder(std::string_view path) {
    return Fail(ErrorCode::kInternal,
                fmt::format("item {} is repeated or out of order: items must arrive depth-first, "
                            "each path once, a directory before its content",
                            Quote(path)));
  }

  void Open(std::string name, Attributes attributes, bool is_announced) {
    if (!path_.empty()) path_ += '/';
    path_ += name;
    open_.push_back(
        {std::move(name), std::move(attributes), is_announced, trees_.NewBuilder(), path_.size()});
  }

  // Leaves the directories that do not contain `directory`, and opens the missing ones down to it.
  Result<void> Enter(std::string_view directory, std::string_view path) {
    const std::size_t same = CommonBytes(path_, directory);
    const auto is_on_way = [&](std::size_t end) {
      return end <= same && (end == directory.size() || directory[end] == '/');
    };
    while (open_.size() > 1 && !is_on_way(open_.back().path_bytes)) HF_TRY(Leave());
    const std::size_t begin = open_.size() > 1 ? open_.back().path_bytes + 1 : 0;
    if (begin >= directory.size()) return {};
    HF_ASSIGN(const std::vector<std::string_view> components, SplitPath(directory.substr(begin)));
    for (std::string_view component : components) {
      if (open_.back().entries.Has(component)) return OutOfOrder(path);
      Open(std::string(component), DefaultDirectory(), false);
    }
    return {};
  }

  // Stores the innermost directory and adds it to its parent.
  Result<void> Leave() {
    OpenDirectory left = std::move(open_.back());
    open_.pop_back();
    const std::string path = path_;
    path_.resize(open_.back().path_bytes);
    TreeNode node{std::move(left.name), std::move(left.attributes), {}, true, {}};
    HF_ASSIGN(node.subtree, trees_.Save(left.entries));
    Encode(node);
    PartStatistics& statistics = part_.statistics;
    switch (Compare(path)) {
      case Change::kNew:
        ++statistics.directories_new;
        break;
      case Change::kChanged:
        ++statistics.directories_changed;
        break;
      case Change::kNone:
        ++statistics.directories_unmodified;
        break;
    }
    return AddNode(node, path);
  }

  // REQUIRES: json_ is the node's.
  Result<void> AddNode(const TreeNode& node, std::string_view path) {
    OpenDirectory& directory = open_.back();
    if (!directory.is_announced) {
      Attributes& attributes = directory.attributes;
      attributes.mtime = std::max(attributes.mtime, node.attributes.mtime);
      attributes.atime = attributes.ctime = attributes.mtime;
    }
    if (!directory.entries.AddJson(node.name, json_)) return OutOfOrder(path);
    return {};
  }

  enum class Change : std::uint8_t { kNew, kChanged, kNone };
  // Compares json_ with the entry of the previous snapshot, which is `found` if that is not null. A
  // damaged previous snapshot only affects the statistics.
  Change Compare(std::string_view path, const RepositoryView::Found* found = nullptr) {
    if (previous_ == nullptr) return Change::kNew;
    Change change = Change::kNew;
    Look(path, found, [&](const RepositoryView::Found& before) {
      change = before.json == json_ ? Change::kNone : Change::kChanged;
    });
    return change;
  }

  // Calls `use` with the previous snapshot's entry at the path, if there is one and it can be read.
  // `found` saves the lookup if it is not null. REQUIRES: there is a previous snapshot.
  void Look(std::string_view path, const RepositoryView::Found* found,
            const std::function<void(const RepositoryView::Found&)>& use) {
    if (found != nullptr) {
      use(*found);
    } else {
      (void)previous_->With(path, use);
    }
  }

  // Null if the entry is not from a repository.
  static const RepositoryView::Found* FoundIn(const std::unique_ptr<const SnapshotEntry>& entry) {
    return dynamic_cast<const RepositoryView::Found*>(entry.get());
  }

  // Sets the node's content and size. An error of reading the content is returned as a value.
  Result<std::optional<Error>> FillFile(Item& item, Read& read) {
    TreeNode& node = read.node;
    if (std::holds_alternative<std::monostate>(item.content)) {
      node.attributes.size = 0;
      return std::nullopt;
    }
    if (auto* reader = std::get_if<std::unique_ptr<ByteReader>>(&item.content)) {
      HF_CHECK(*reader != nullptr);
      if (item.was_saved && TakeFromInterrupted(item, read)) return std::nullopt;
      return ReadContent(**reader, item, read);
    }
    Reuse& reuse = std::get<Reuse>(item.content);
    const bool is_taken = TakeOver(reuse, FoundIn(reuse.entry), node);
    const bool is_small = reuse.entry != nullptr && reuse.entry->bytes() <= kEntryBytesKept;
    if (is_small && reuse.path == item.path) read.before = std::move(reuse.entry);
    if (is_taken) {
      if (progress_ != nullptr) progress_->AddUnchanged(node.attributes.size);
      return std::nullopt;
    }
    if (!reuse.read) return CannotReuse(reuse);
    Result<std::unique_ptr<ByteReader>> reader = reuse.read();
    if (!reader) return std::move(reader).error();
    return ReadContent(**reader, item, read);
  }

  static Error CannotReuse(const Reuse& reuse) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("the previous snapshot no longer has all of {}", Quote(reuse.path)))
        .WithHint("`holdfast-agent check` lists what the repository has lost");
  }

  Result<std::optional<Error>> ReadContent(ByteReader& reader, Item& item, Read& read) {
    TreeNode& node = read.node;
    HF_ASSIGN(SavedContent saved, saver_.Save(reader, item.chunking));
    part_.statistics.bytes_read += saved.bytes;
    if (saved.unreadable) return std::move(saved.unreadable);
    if (saved.outcome.attributes) node.attributes = *std::move(saved.outcome.attributes);
    if (saved.outcome.changed) part_.changed.push_back(item.path);
    node.attributes.type = NodeType::kFile;
    node.attributes.size = saved.bytes;  // what the blobs hold, whatever stat said
    read.content = std::move(saved.blobs);
    read.is_resumable = !saved.outcome.changed;
    return std::nullopt;
  }

  // Reuses the content that an interrupted run stored; false if it is not complete.
  bool TakeFromInterrupted(const Item& item, Read& read) {
    if (resume_ == nullptr) return false;
    std::optional<std::vector<Id>> blobs = resume_->Take(item.path);
    if (!blobs || !HasAll(*blobs)) return false;
    read.node.content = *std::move(blobs);
    read.is_resumable = true;
    if (progress_ != nullptr) progress_->AddUnchanged(read.node.attributes.size);
    return true;
  }

  // Reuses the content of the previous snapshot's entry, which is `found` if that is not null;
  // false if it is not complete.
  bool TakeOver(const Reuse& reuse, const RepositoryView::Found* found, TreeNode& node) {
    if (previous_ == nullptr) return false;
    bool is_taken = false;
    Look(reuse.path, found, [&](const RepositoryView::Found& before) {
      const TreeNode& old = before.node;
      is_taken = old.attributes.type == NodeType::kFile && old.has_content &&
                 old.attributes.size == node.attributes.size && HasAll(old.content);
      if (is_taken) node.content = old.content;
    });
    return is_taken;
  }

  bool HasAll(const std::vector<Id>& blobs) const {
    return std::ranges::all_of(blobs,
                               [this](const Id& id) { return writer_->Has(BlobType::kData, id); });
  }

  // Reuses the subtree of the previous snapshot, after checking that all below it exists.
  Result<void> TakeOverDirectory(const Reuse& reuse, TreeNode& node) {
    if (previous_ == nullptr) return Fail(CannotReuse(reuse));
    HF_TRY(previous_->With(reuse.path, [&](const RepositoryView::Found& found) {
      if (found.node.attributes.type == NodeType::kDirectory) node.subtree = found.node.subtree;
    }));
    if (!node.subtree) return Fail(CannotReuse(reuse));
    PartStatistics below;
    std::vector<Id> pending = {*node.subtree};
    while (!pending.empty()) {
      Id tree = pending.back();
      pending.pop_back();
      HF_TRY(VisitTreeOf(repository_.blobs(), tree,
                         [&](const TreeNode& entry, std::string_view) -> Result<void> {
                           ++below.items;
                           if (entry.attributes.type == NodeType::kDirectory) {
                             ++below.directories_unmodified;
                             pending.push_back(*entry.subtree);
                           } else if (entry.attributes.type == NodeType::kFile) {
                             ++below.files_unmodified;
                             below.bytes_processed += entry.attributes.size;
                             if (!entry.has_content || !HasAll(entry.content))
                               return Fail(CannotReuse(reuse));
                           }
                           return {};
                         }));
    }
    PartStatistics& statistics = part_.statistics;
    statistics.items += below.items;
    statistics.files_unmodified += below.files_unmodified;
    statistics.directories_unmodified += below.directories_unmodified;
    statistics.bytes_processed += below.bytes_processed;
    if (progress_ != nullptr) {
      progress_->items += below.items;
      progress_->AddUnchanged(below.bytes_processed);
    }
    return {};
  }

  void CountItem() {
    ++part_.statistics.items;
    if (progress_ != nullptr) ++progress_->items;
  }

  Repository& repository_;
  RepositoryView* previous_;  // null also if the view is not of a repository
  ResumeLog* resume_;
  Progress* progress_;
  std::unique_ptr<BlobWriter> writer_;
  ContentSaver saver_;
  TreeSaver trees_;
  std::string json_;                 // of the node that is being added
  std::deque<Read> read_;            // items to add to the tree, in order
  std::vector<OpenDirectory> open_;  // the top first, the innermost last
  std::string path_;                 // of the innermost directory
  std::string last_path_;            // of the last item added
  Part part_;
  bool is_over_ = false;
};

}  // namespace

std::unique_ptr<PartWriter> PartWriter::Begin(Repository& repository, const PartOptions& options) {
  return std::make_unique<PartWriterImpl>(repository, options);
}

}  // namespace holdfast::repository
