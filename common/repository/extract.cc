#include "common/repository/extract.h"

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "common/base/format.h"
#include "common/filetree/tree_writer.h"
#include "common/repository/blob_read_ahead.h"

namespace holdfast::repository {
namespace {

// What is found ahead of what is written: so many small files are loaded at once.
constexpr std::size_t kFoundMax = 1024;

Error Stopped() { return Error(ErrorCode::kCancelled, "restore stopped by request"); }

// Counts what passes, stops when asked to, and remembers whether the repository was to blame.
class CountingReader final : public ByteReader {
 public:
  CountingReader(std::unique_ptr<ByteReader> reader, Progress& progress, std::stop_token stop)
      : reader_(std::move(reader)), progress_(progress), stop_(std::move(stop)) {}

  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    if (stop_.stop_requested()) return Fail(Stopped());
    Result<std::size_t> count = reader_->Read(buffer);
    if (!count) {
      is_damaged_ = count.error().code() == ErrorCode::kCorrupt;
      return count;
    }
    progress_.bytes += *count;
    bytes_ += *count;
    return count;
  }
  std::uint64_t bytes() const { return bytes_; }
  bool is_damaged() const { return is_damaged_; }

 private:
  std::unique_ptr<ByteReader> reader_;
  Progress& progress_;
  std::stop_token stop_;
  std::uint64_t bytes_ = 0;
  bool is_damaged_ = false;
};

bool IsBelow(std::string_view path, std::string_view directory) {
  return directory.empty() || path == directory ||
         (path.starts_with(directory) && path[directory.size()] == '/');
}

Result<std::string> Normalize(std::string_view path) {
  HF_ASSIGN(std::vector<std::string_view> components, SplitPath(path));
  std::string text;
  for (std::string_view component : components) {
    if (!text.empty()) text += '/';
    text += component;
  }
  return text;
}

class Extraction {
 public:
  Extraction(Repository& repository, RepositoryView& view, filetree::TreeWriter& writer,
             Progress& progress, std::stop_token stop)
      : repository_(repository),
        view_(view),
        writer_(writer),
        progress_(progress),
        stop_(std::move(stop)),
        ahead_(repository) {}

  Result<void> Run(const ExtractOptions& options) {
    HF_ASSIGN(strip_, Normalize(options.strip));
    HF_ASSIGN(TreeNode stripped, view_.Need(strip_));
    if (stripped.attributes.type != NodeType::kDirectory) {
      return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is no directory", Quote(strip_)));
    }
    HF_ASSIGN(std::vector<std::string> paths, Select(options.paths));
    for (const std::string& path : paths) {
      // All are there before the first is written.
      HF_TRY(view_.Need(path));
    }
    for (const std::string& path : paths) HF_TRY(ExtractPath(path));
    while (!found_.empty()) HF_TRY(WriteFirst());
    return {};
  }

  ExtractOutcome& outcome() { return outcome_; }

  // The error to end with when something could not be had from the repository.
  Result<void> Damage() const {
    if (damaged_count_ == 0) return {};
    std::string names;
    for (const std::string& damaged : damaged_) names += (names.empty() ? "" : "; ") + damaged;
    if (damaged_count_ > damaged_.size()) {
      names += fmt::format("; and {} more", damaged_count_ - damaged_.size());
    }
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} of the snapshot's files and directories are damaged in the "
                            "repository and were not written: {}",
                            damaged_count_, names),
                "everything else is there; an older snapshot may hold them");
  }

 private:
  void AddDamage(std::string what) {
    constexpr std::size_t kKept = 5;
    if (damaged_count_++ < kKept) damaged_.push_back(std::move(what));
  }

  // Ascending, none below another.
  Result<std::vector<std::string>> Select(const std::vector<std::string>& paths) const {
    if (paths.empty()) return std::vector<std::string>{strip_};
    std::set<std::string> wanted;
    for (const std::string& text : paths) {
      HF_ASSIGN(std::string path, Normalize(text));
      if (!IsBelow(path, strip_)) {
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("{} does not lie in {}", Quote(text), Quote(strip_)));
      }
      wanted.insert(std::move(path));
    }
    std::vector<std::string> selected;
    for (const std::string& path : wanted) {
      bool is_covered =
          std::ranges::any_of(selected, [&](const std::string& s) { return IsBelow(path, s); });
      if (!is_covered) selected.push_back(path);
    }
    return selected;
  }

  // `path` of the snapshot, as seen from the target directory.
  std::string Target(std::string_view path) const {
    if (strip_.empty()) return std::string(path);
    return std::string(path.substr(std::min(strip_.size() + 1, path.size())));
  }

  Result<void> ExtractPath(const std::string& path) {
    // The directories on the way, with their own attributes.
    std::size_t slash = strip_.empty() ? 0 : strip_.size() + 1;
    while ((slash = path.find('/', slash)) != std::string::npos) {
      std::string parent = path.substr(0, slash++);
      if (!announced_.insert(parent).second) continue;
      HF_ASSIGN(TreeNode node, view_.Need(parent));
      HF_TRY(Enqueue(std::move(node), parent, false));
    }
    HF_ASSIGN(TreeNode node, view_.Need(path));
    if (path != strip_) HF_TRY(ExtractNode(node, path));
    if (node.attributes.type == NodeType::kDirectory && path == strip_) {
      pending_.push_back({path, *node.subtree});
    }
    return ExtractPending();
  }

  // Directories wait on a stack of our own: how deep they are nested is the snapshot's choice.
  Result<void> ExtractPending() {
    while (!pending_.empty()) {
      Pending next = std::move(pending_.back());
      pending_.pop_back();
      std::size_t first = pending_.size();
      bool is_tree_error = true;  // and not one of writing what the tree says
      const auto extract_all = [&]() -> Result<void> {
        HF_ASSIGN(Bytes blob, LoadNeededBlob(repository_, BlobType::kTree, next.tree));
        return VisitTree(next.tree, blob, [&](const TreeNode& node, std::string_view) {
          std::string path = next.path.empty() ? node.name : next.path + "/" + node.name;
          Result<void> extracted = ExtractNode(node, path);
          if (!extracted) is_tree_error = false;
          return extracted;
        });
      };
      if (Result<void> done = extract_all(); !done) {
        if (!is_tree_error || done.error().code() != ErrorCode::kCorrupt) return done;
        AddDamage(fmt::format("{}: {}", Quote(next.path), done.error().message()));
      }
      // The first of them shall come first.
      std::reverse(pending_.begin() + static_cast<std::ptrdiff_t>(first), pending_.end());
    }
    return {};
  }

  Result<void> ExtractNode(const TreeNode& node, const std::string& path) {
    if (stop_.stop_requested()) return Fail(Stopped());
    if (node.attributes.type == NodeType::kDirectory) pending_.push_back({path, *node.subtree});
    return Enqueue(node, path, true);
  }

  // What is found waits for its turn to be written, so that its content is loaded meanwhile.
  Result<void> Enqueue(TreeNode node, const std::string& path, bool counts) {
    Found found{.target = Target(path), .content = nullptr, .counts = counts, .attributes = {}};
    if (node.attributes.type == NodeType::kFile) found.content = OpenContent(ahead_, node, path);
    found.attributes = std::move(node.attributes);
    found_.push_back(std::move(found));
    while (found_.size() > kFoundMax) HF_TRY(WriteFirst());
    return {};
  }

  Result<void> WriteFirst() {
    if (stop_.stop_requested()) return Fail(Stopped());
    Found found = std::move(found_.front());
    found_.pop_front();
    switch (found.attributes.type) {
      case NodeType::kDirectory:
        HF_TRY(writer_.AddDirectory(found.target, found.attributes));
        break;
      case NodeType::kFile: {
        CountingReader content(std::move(found.content), progress_, stop_);
        Result<void> added = writer_.AddFile(found.target, found.attributes, content);
        outcome_.bytes += content.bytes();
        if (!added && content.is_damaged()) {
          AddDamage(added.error().message());
          return {};
        }
        HF_TRY(std::move(added));
        break;
      }
      default:
        HF_TRY(writer_.AddOther(found.target, found.attributes));
    }
    if (found.counts) {
      ++outcome_.items;
      ++progress_.items;
    }
    return {};
  }

  struct Pending {
    std::string path;
    Id tree;
  };
  struct Found {
    std::string target;
    std::unique_ptr<ByteReader> content;  // of a file
    bool counts = true;                   // as an item
    Attributes attributes;
  };
  Repository& repository_;
  RepositoryView& view_;
  filetree::TreeWriter& writer_;
  Progress& progress_;
  std::stop_token stop_;
  std::string strip_;
  std::set<std::string> announced_;
  std::vector<Pending> pending_;
  BlobReadAhead ahead_;
  std::deque<Found> found_;  // and not written yet, in order; their content goes before ahead_
  std::vector<std::string> damaged_;  // the first few
  std::uint64_t damaged_count_ = 0;
  ExtractOutcome outcome_;
};

}  // namespace

Result<ExtractOutcome> ExtractFromView(Repository& repository, RepositoryView& view,
                                       const std::string& directory, const ExtractOptions& options,
                                       Progress& progress, std::stop_token stop) {
  HF_ASSIGN(std::unique_ptr<filetree::TreeWriter> writer,
            filetree::TreeWriter::Open(directory, {.restore_owner = options.restore_owner}));
  Extraction extraction(repository, view, *writer, progress, std::move(stop));
  HF_TRY(extraction.Run(options));
  HF_TRY(writer->Finish());
  HF_TRY(extraction.Damage());
  ExtractOutcome outcome = std::move(extraction.outcome());
  outcome.warnings = writer->warnings();
  return outcome;
}

}  // namespace holdfast::repository
