#include "common/repository/snapshot/selected_tree.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/base/format.h"
#include "common/base/path.h"
#include "common/repository/tree/tree_blobs.h"

namespace holdfast::repository {
namespace {

bool IsWithin(std::string_view path, std::string_view directory) {
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

}  // namespace

Result<SelectedTree> SelectedTree::Open(BlobStore& blobs, RepositoryView& view,
                                        const ExtractOptions& options) {
  SelectedTree tree(blobs, view);
  tree.special_ = options.special;
  tree.left_out_ = options.left_out;
  HF_ASSIGN(tree.filter_, PathFilter::Parse(options.include, options.exclude));
  HF_ASSIGN(tree.strip_, Normalize(options.strip));
  HF_ASSIGN(const TreeNode stripped, view.Need(tree.strip_));
  if (stripped.attributes.type != NodeType::kDirectory) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is not a directory", Quote(tree.strip_)));
  }
  HF_TRY(tree.Select(options.paths));
  if (tree.paths_.front() == tree.strip_) tree.top_tree_ = stripped.subtree;
  for (const std::string& path : tree.paths_) HF_TRY(view.Need(path));
  return tree;
}

Result<void> SelectedTree::Select(const std::vector<std::string>& paths) {
  if (paths.empty()) {
    paths_ = {strip_};
    return {};
  }
  std::set<std::string> wanted;
  for (const std::string& text : paths) {
    HF_ASSIGN(std::string path, Normalize(text));
    if (!IsWithin(path, strip_)) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is not in {}", Quote(text), Quote(strip_)));
    }
    wanted.insert(std::move(path));
  }
  for (const std::string& path : wanted) {
    const bool is_covered =
        std::ranges::any_of(paths_, [&](const std::string& s) { return IsWithin(path, s); });
    if (!is_covered) paths_.push_back(path);
  }
  return {};
}

std::string SelectedTree::Target(std::string_view path) const {
  if (strip_.empty()) return std::string(path);
  return std::string(path.substr(std::min(strip_.size() + 1, path.size())));
}

bool SelectedTree::Filter(const std::string& path, Attributes& attributes) const {
  if (left_out_ != nullptr) return left_out_->Filter(special_, path, attributes);
  (void)RemoveRights(special_, attributes);
  return MayExist(special_, attributes.type);
}

Result<void> SelectedTree::Visit(Visitor& visitor, const std::stop_token& stop) {
  announced_.clear();
  pending_.clear();
  for (const std::string& path : paths_) HF_TRY(VisitPath(visitor, path, stop));
  return {};
}

Result<std::optional<bool>> SelectedTree::Announce(Visitor& visitor, const std::string& path) {
  if (path == strip_) return false;
  std::optional<bool> mark = false;
  std::size_t slash = strip_.empty() ? 0 : strip_.size() + 1;
  do {
    slash = std::min(path.find('/', slash), path.size());
    const std::string above = path.substr(0, slash++);
    const auto known = announced_.find(above);
    if (known != announced_.end()) {
      mark = known->second;
    } else {
      HF_ASSIGN(TreeNode node, view_.Need(above));
      Filter(above, node.attributes);
      const std::string target = Target(above);
      HF_ASSIGN(mark, visitor.Directory({.node = std::move(node),
                                         .path = above,
                                         .target = target,
                                         .is_passed = true,
                                         .is_outside = !IsWithin(above, asked_)}));
      announced_.emplace(above, mark);
    }
  } while (mark && slash < path.size());
  return mark;
}

Result<void> SelectedTree::VisitPath(Visitor& visitor, const std::string& path,
                                     const std::stop_token& stop) {
  asked_ = path;
  HF_ASSIGN(TreeNode node, view_.Need(path));
  if (path == strip_) {
    pending_.push_back({path, *node.subtree, filter_.selects_all(), false});
  } else {
    Pending above{std::string(PathAbove(path)), Id(), false, false};
    bool is_left_out = false;
    HF_TRY(VisitNode(visitor, node, above, is_left_out));
  }
  // A stack instead of recursion, because the snapshot determines how deeply directories nest.
  while (!pending_.empty()) {
    Pending next = std::move(pending_.back());
    pending_.pop_back();
    const std::size_t first = pending_.size();
    HF_TRY(VisitDirectory(visitor, std::move(next), stop));
    // So that the first one is visited first.
    std::reverse(pending_.begin() + static_cast<std::ptrdiff_t>(first), pending_.end());
  }
  return {};
}

Result<void> SelectedTree::VisitDirectory(Visitor& visitor, Pending directory,
                                          const std::stop_token& stop) {
  const Id tree = directory.tree;
  bool is_tree_error = true;  // not an error of the visitor
  bool is_left_out = false;   // the visitor skips the entries
  const auto as_visitor = [&is_tree_error](Result<void> result) {
    if (!result) is_tree_error = false;
    return result;
  };
  const auto visit_all = [&]() -> Result<void> {
    bool is_entered = false;  // once the directory is known to be readable
    const auto enter = [&] {
      if (directory.is_announced && !is_entered) visitor.Enter(directory.mark);
      is_entered = true;
    };
    const auto visit = [&](const TreeNode& node, std::string_view) -> Result<void> {
      enter();
      if (stop.stop_requested()) {
        return as_visitor(Stopped());
      }
      if (is_left_out) return {};
      return as_visitor(VisitNode(visitor, node, directory, is_left_out));
    };
    HF_TRY(VisitTreeOf(blobs_, tree, visit));
    enter();
    return {};
  };
  Result<void> done = visit_all();
  if (done) return {};
  if (!is_tree_error || !IsSingleObjectError(done.error())) return done;
  visitor.Lost(std::move(done).error().While(Quote(directory.path)));
  return {};
}

Result<void> SelectedTree::VisitNode(Visitor& visitor, const TreeNode& node, Pending& directory,
                                     bool& is_left_out) {
  const std::string path = directory.path.empty() ? node.name : directory.path + "/" + node.name;
  const PathFilter::Verdict verdict = filter_.Judge(path);
  const bool is_directory = node.attributes.type == NodeType::kDirectory;
  if (!verdict.is_selected) {
    if (is_directory && verdict.may_select_below) pending_.push_back({path, *node.subtree});
    return {};
  }
  if (!directory.is_announced) {
    HF_ASSIGN(const std::optional<bool> mark, Announce(visitor, directory.path));
    directory.is_announced = true;
    directory.mark = mark.value_or(false);
    if (!mark) {
      is_left_out = true;
      return {};
    }
    visitor.Enter(*mark);
  }
  const std::string target = Target(path);
  Found found{.node = node, .path = path, .target = target};
  if (!Filter(path, found.node.attributes)) return {};
  if (!is_directory) return visitor.Other(std::move(found));
  const Id subtree = *node.subtree;
  HF_ASSIGN(const std::optional<bool> mark, visitor.Directory(std::move(found)));
  // With patterns, Announce() needs this for selected entries below unselected directories.
  if (!filter_.selects_all()) announced_.emplace(path, mark);
  if (mark) pending_.push_back({path, subtree, true, *mark});
  return {};
}

}  // namespace holdfast::repository
