// Extracts a snapshot, or some of its paths, to a directory.
#include <optional>
#include <utility>

#include "common/base/format.h"
#include "common/base/random.h"
#include "common/filetree/existing_tree.h"
#include "common/filetree/file_writer.h"
#include "common/filetree/tree_writer.h"
#include "common/repository/snapshot/extract_plan.h"
#include "common/repository/snapshot/repository_view.h"
#include "common/repository/snapshot/selected_tree.h"
#include "common/repository/tree/file_restorer.h"
#include "common/repository/tree/lost_list.h"

namespace holdfast::repository {
namespace {

// Limit for hard links that wait until their file is written.
constexpr std::size_t kLinksWaitingMax = 1000;
// Limit for this thread's warnings. More of the same kind would help no one.
constexpr std::size_t kWarningsKept = 1000;

// Visits the tree: creates directories and everything without content, and decides about each
// existing file. The restorer's threads write contents.
class Extraction final : public SelectedTree::Visitor {
 public:
  Extraction(Repository& repository, filetree::TreeWriter& writer, FileRestorer& restorer,
             const std::string& directory, const ExtractOptions& options, Progress& progress)
      : repository_(repository),
        writer_(writer),
        restorer_(restorer),
        existing_(writer.top(), directory),
        options_(options),
        progress_(progress) {}

  Result<std::optional<bool>> Directory(SelectedTree::Found found) override;
  void Enter(bool is_new) override { is_new_ = is_new; }
  Result<void> Other(SelectedTree::Found found) override;
  void Lost(const Error& error) override { lost_.Add(error); }

  // Does everything that follows the visit.
  Result<ExtractOutcome> Finish(const SelectedTree& tree);

 private:
  Result<std::optional<struct stat>> Stat(const SelectedTree::Found& found) {
    if (is_new_ && !found.is_passed) return std::nullopt;
    return existing_.Stat(found.target);
  }
  void Count(bool is_unchanged) {
    ++outcome_.items;
    ++progress_.items;
    if (is_unchanged) ++outcome_.unchanged;
  }
  Result<void> AddFile(SelectedTree::Found found, const std::optional<struct stat>& there);
  Result<void> AddSpecial(const SelectedTree::Found& found,
                          const std::optional<struct stat>& there);
  Result<bool> TrustFile(const SelectedTree::Found& found, const struct stat& there);
  Result<void> ClearDirectory(const std::string& target);
  Result<void> MakeLinks();
  Result<void> Tidy(const SelectedTree& tree);

  Repository& repository_;
  filetree::TreeWriter& writer_;
  FileRestorer& restorer_;
  filetree::ExistingTree existing_;
  const ExtractOptions& options_;
  Progress& progress_;
  bool is_new_ = false;  // the current directory did not exist before
  std::vector<FileToRestore> links_;
  std::vector<DirectoryThere> there_;
  LostList lost_;
  ExtractOutcome outcome_;
};

Result<std::optional<bool>> Extraction::Directory(SelectedTree::Found found) {
  HF_ASSIGN(const std::optional<struct stat> there, Stat(found));
  const bool is_there = there && S_ISDIR(there->st_mode);
  bool is_like = false;
  if (is_there) {
    if (options_.delete_extraneous || options_.resumes) {
      there_.push_back({found.path, found.target, *found.node.subtree, found.is_outside});
    }
    HF_ASSIGN(is_like, existing_.HasAttributes(found.target, *there, found.node.attributes,
                                               options_.restore_owner));
  } else if (there && !MayReplace(options_.overwrite, found.node.attributes, *there)) {
    ++outcome_.skipped;
    return std::nullopt;
  }
  HF_TRY(writer_.AddDirectory(found.target, found.node.attributes));
  if (!found.is_passed) Count(is_like);
  return !is_there;
}

Result<void> Extraction::Other(SelectedTree::Found found) {
  HF_ASSIGN(const std::optional<struct stat> there, Stat(found));
  if (there && !MayReplace(options_.overwrite, found.node.attributes, *there)) {
    ++outcome_.skipped;
    return {};
  }
  if (there && S_ISDIR(there->st_mode)) HF_TRY(ClearDirectory(found.target));
  if (found.node.attributes.type == NodeType::kFile) return AddFile(std::move(found), there);
  return AddSpecial(found, there);
}

// Needs more than permission to overwrite, because the directory's content is not in the snapshot.
Result<void> Extraction::ClearDirectory(const std::string& target) {
  HF_ASSIGN(const bool was_empty, existing_.RemoveEmpty(target));
  if (was_empty) return {};
  if (!options_.delete_extraneous) return Fail(DirectoryInTheWay(existing_.Shown(target)));
  HF_ASSIGN(const bool is_gone, existing_.Remove(target));
  if (is_gone) return {};
  return Fail(ErrorCode::kDenied,
              fmt::format("{} is a mount point, but has another type in the snapshot",
                          Quote(existing_.Shown(target))),
              "unmount it first");
}

Result<void> Extraction::AddFile(SelectedTree::Found found,
                                 const std::optional<struct stat>& there) {
  const bool is_link = writer_.HasEarlier(found.node.attributes);
  if (!is_link) {
    writer_.RememberLink(found.target, found.node.attributes);
    if (there && IsTrusted(options_.overwrite, found.node.attributes, *there)) {
      HF_ASSIGN(const bool is_done, TrustFile(found, *there));
      if (is_done) return {};
    }
  }
  FileToRestore file{.path = found.path,
                     .target = found.target,
                     .attributes = std::move(found.node.attributes),
                     .content = std::move(found.node.content),
                     .is_there = there && S_ISREG(there->st_mode)};
  file.attributes.user.clear();
  file.attributes.group.clear();
  if (!is_link) return restorer_.Add(std::move(file));
  links_.push_back(std::move(file));
  return links_.size() < kLinksWaitingMax ? Result<void>{} : MakeLinks();
}

// Handles a file whose content is trusted. Returns whether nothing is left to do.
Result<bool> Extraction::TrustFile(const SelectedTree::Found& found, const struct stat& there) {
  const Attributes& saved = found.node.attributes;
  HF_ASSIGN(const bool is_like,
            existing_.HasAttributes(found.target, there, saved, options_.restore_owner));
  if (!is_like) {
    HF_ASSIGN(const Fd file, existing_.OpenFile(found.target));
    if (!file.is_open()) return false;
    HF_ASSIGN(const bool is_set,
              existing_.SetAttributes(file.get(), found.target, saved, options_.restore_owner,
                                      outcome_.warnings));
    if (!is_set) return false;
    if (outcome_.warnings.size() > kWarningsKept) outcome_.warnings.resize(kWarningsKept);
  }
  progress_.AddUnchanged(saved.size);
  Count(is_like);
  return true;
}

Result<void> Extraction::AddSpecial(const SelectedTree::Found& found,
                                    const std::optional<struct stat>& there) {
  const Attributes& saved = found.node.attributes;
  bool is_like = false;
  if (there && !writer_.HasEarlier(saved)) {
    HF_ASSIGN(is_like,
              existing_.HasAttributes(found.target, *there, saved, options_.restore_owner));
  }
  if (is_like) {
    writer_.RememberLink(found.target, saved);
  } else {
    HF_TRY(writer_.AddOther(found.target, saved));
  }
  Count(is_like);
  return {};
}

Result<void> Extraction::MakeLinks() {
  HF_TRY(restorer_.Flush());
  for (FileToRestore& file : std::exchange(links_, {})) {
    HF_ASSIGN(const bool is_linked, writer_.LinkToEarlier(file.target, file.attributes));
    if (is_linked) {
      Count(false);
    } else {
      HF_TRY(restorer_.Add(std::move(file)));
    }
  }
  return {};
}

// Removes what the snapshot does not have, and leftovers of an interrupted restore.
Result<void> Extraction::Tidy(const SelectedTree& tree) {
  if (tree.top_tree() && outcome_.items + restorer_.counts().items > 0) {
    there_.push_back({tree.top(), "", *tree.top_tree(), false});
  }
  return VisitOthers(repository_.blobs(), tree.filter(), existing_, options_, there_,
                     [this](const std::string& target, bool is_part) -> Result<void> {
                       HF_ASSIGN(const bool is_gone, existing_.Remove(target));
                       if (!is_gone) {
                         outcome_.warnings.push_back(fmt::format(
                             "{}: not removed because another file system is mounted there",
                             Quote(existing_.Shown(target))));
                       } else if (!is_part) {
                         ++outcome_.removed;
                       }
                       return {};
                     });
}

Result<ExtractOutcome> Extraction::Finish(const SelectedTree& tree) {
  HF_TRY(MakeLinks());
  HF_TRY(restorer_.Flush());
  lost_.Add(restorer_.TakeLost());
  if (lost_.empty()) HF_TRY(Tidy(tree));
  HF_TRY(writer_.Finish());
  HF_TRY(lost_.Outcome());
  outcome_.items += restorer_.counts().items;
  outcome_.unchanged += restorer_.counts().unchanged;
  outcome_.bytes += restorer_.counts().bytes;
  for (std::string& warning : restorer_.TakeWarnings()) {
    outcome_.warnings.push_back(std::move(warning));
  }
  const std::vector<std::string>& others = writer_.warnings();
  outcome_.warnings.insert(outcome_.warnings.end(), others.begin(), others.end());
  return std::move(outcome_);
}

}  // namespace

// A file or directory that cannot be read from the repository does not stop the rest. Everything
// else is written, nothing is removed, and the result is LostList::Outcome().
Result<ExtractOutcome> RepositoryView::Extract(const std::string& directory,
                                               const ExtractOptions& options, Progress& progress,
                                               std::stop_token stop) {
  HF_ASSIGN(SelectedTree tree, SelectedTree::Open(repository_.blobs(), *this, options));
  if (options.dry_run) {
    HF_CHECK(options.opened < 0);
    return DryRun(repository_.blobs(), tree, directory, options, progress, stop);
  }
  const std::string own = RandomHex(repository_.random(), 6);
  HF_ASSIGN(const std::unique_ptr<filetree::TreeWriter> writer,
            filetree::TreeWriter::Open(
                directory, {.restore_owner = options.restore_owner,
                            .temporary_name = fmt::format("{}-{}", filetree::kPartPrefix, own),
                            .opened = options.opened}));
  HF_TRY(CheckRoom(repository_.index(), tree, writer->top(), directory, options, progress, stop));
  FileRestorer restorer(repository_,
                        {.top = writer->top(),
                         .directory = directory,
                         .restore_owner = options.restore_owner,
                         .resumed_name = snapshot_id_.substr(0, 16),
                         .own_name = own},
                        progress, stop);
  Extraction extraction(repository_, *writer, restorer, directory, options, progress);
  HF_TRY(tree.Visit(extraction, stop));
  return extraction.Finish(tree);
}

}  // namespace holdfast::repository
