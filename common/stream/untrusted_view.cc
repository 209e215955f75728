#include "common/stream/untrusted_view.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"

namespace holdfast {
namespace {

constexpr std::size_t kShownPathBytesMax = 200;
constexpr std::string_view kToDirectory = "restore it to a directory: --to DIR";

std::string Shown(std::string_view path) { return Quote(path.substr(0, kShownPathBytesMax)); }

Result<void> CheckSize(std::string_view path, std::string_view what, std::size_t size,
                       std::size_t limit) {
  if (size <= limit) return {};
  return Fail(ErrorCode::kUnsupported,
              fmt::format("{} in the snapshot: {}: {}; a restore takes at most {}", Shown(path),
                          what, FormatCount(size), FormatCount(limit)),
              std::string(kToDirectory));
}

Result<void> CheckName(std::string_view directory, std::string_view name) {
  const bool is_name = !name.empty() && name != "." && name != ".." &&
                       name.find('/') == std::string_view::npos &&
                       name.find('\0') == std::string_view::npos;
  if (!is_name) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{} in the snapshot has an entry named {}",
                                                 Shown(directory), Shown(name)));
  }
  return CheckSize(directory, "bytes of an entry's name", name.size(), kSnapshotNameBytesMax);
}

Result<void> CheckAttributes(std::string_view path, const Attributes& attributes) {
  HF_TRY(CheckSize(path, "bytes of the symlink's target", attributes.link_target.size(),
                   kSnapshotLinkBytesMax));
  HF_TRY(
      CheckSize(path, "extended attributes", attributes.extended.size(), kSnapshotAttributesMax));
  std::size_t total = 0;
  for (const ExtendedAttribute& one : attributes.extended) {
    HF_TRY(CheckSize(path, "bytes of an extended attribute's name", one.name.size(),
                     kSnapshotNameBytesMax));
    HF_TRY(CheckSize(path, "bytes of an extended attribute", one.value.size(),
                     kSnapshotAttributeBytesMax));
    total += one.value.size();
  }
  return CheckSize(path, "bytes of extended attributes", total, kSnapshotAttributeTotalMax);
}

Result<void> CheckDepth(std::string_view path) {
  const auto depth = static_cast<std::size_t>(std::ranges::count(path, '/')) + 1;
  return CheckSize(path, "directories in each other", depth, kSnapshotDepthMax);
}

// An entry with fewer rights than the one in the snapshot.
class FilteredEntry final : public SnapshotEntry {
 public:
  explicit FilteredEntry(Attributes attributes) : attributes_(std::move(attributes)) {}
  const Attributes& attributes() const override { return attributes_; }
  std::size_t bytes() const override { return sizeof *this; }

 private:
  Attributes attributes_;
};

}  // namespace

Result<std::optional<Attributes>> UntrustedView::Stat(std::string_view path) {
  HF_TRY(CheckDepth(path));
  HF_ASSIGN(std::optional<Attributes> found, inner_.Stat(path));
  if (!found) return found;
  HF_TRY(CheckAttributes(path, *found));
  if (!left_out_.Filter(kept_, path, *found)) return std::optional<Attributes>();
  return found;
}

Result<std::unique_ptr<const SnapshotEntry>> UntrustedView::Find(std::string_view path) {
  HF_ASSIGN(std::optional<Attributes> found, Stat(path));
  if (!found) return nullptr;
  return std::make_unique<const FilteredEntry>(*std::move(found));
}

Result<void> UntrustedView::List(std::string_view path,
                                 const std::function<Result<void>(const ViewEntry&)>& visit) {
  HF_TRY(CheckDepth(path));
  return inner_.List(path, [&](const ViewEntry& entry) -> Result<void> {
    HF_TRY(CheckName(path, entry.name));
    const std::string below = path.empty() ? entry.name : fmt::format("{}/{}", path, entry.name);
    HF_TRY(CheckAttributes(below, entry.attributes));
    ViewEntry filtered = entry;
    if (!left_out_.Filter(kept_, below, filtered.attributes)) return {};
    return visit(filtered);
  });
}

Result<std::unique_ptr<ByteReader>> UntrustedView::Open(std::string_view path) {
  return inner_.Open(path);
}

Result<ExtractOutcome> UntrustedView::Extract(const std::string& directory,
                                              const ExtractOptions& options, Progress& progress,
                                              std::stop_token stop) {
  ExtractOptions filtered = options;
  filtered.special = kept_;
  filtered.left_out = &left_out_;
  return inner_.Extract(directory, filtered, progress, std::move(stop));
}

Result<std::vector<std::string>> UntrustedView::DetailsOf(const std::string& what) const {
  const std::optional<Manifest>& manifest = inner_.manifest();
  if (!manifest) return std::vector<std::string>();
  const auto found = manifest->details.find(what);
  if (found == manifest->details.end()) return std::vector<std::string>();
  const std::string shown = fmt::format("manifest.json, details.{}", what);
  HF_TRY(CheckSize(shown, "entries", found->second.size(), kSnapshotDetailsMax));
  for (const std::string& one : found->second) {
    HF_TRY(CheckSize(shown, "bytes of an entry", one.size(), kSnapshotDetailBytesMax));
  }
  return found->second;
}

Result<void> UntrustedView::CheckManifest(std::initializer_list<std::string> details) const {
  for (const std::string& what : details) HF_TRY(DetailsOf(what));
  if (!manifest()) return {};
  return CheckSize("manifest.json", "missing items", manifest()->missing.size(),
                   kSnapshotMissingMax);
}

Result<bool> UntrustedView::Hides(std::string_view path) {
  HF_ASSIGN(const std::optional<Attributes> found, inner_.Stat(path));
  return found && !MayExist(kept_, found->type);
}

}  // namespace holdfast
