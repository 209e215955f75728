#include "common/trust/root_files.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"
#include "common/io/fd.h"
#include "common/trust/envelope.h"

namespace holdfast::trust {
namespace {

constexpr std::string_view kNotGenuine =
    "copy STATE_DIR/roots/*.holdfast from the controller's host; if those are refused, too, do not "
    "sign anything for this controller before it has been investigated";

}  // namespace

Result<std::vector<RootFile>> ReadRootFiles(const std::vector<std::string>& paths) {
  std::vector<RootFile> files;
  for (const std::string& path : paths) {
    HF_ASSIGN(const Bytes bytes, ReadWholeFile(path, EnvelopeBytesMax(PayloadType::kRoot)));
    Result<RootDocument> root = RootDocument::Load(bytes);
    if (!root) return Fail(std::move(root).error().While("read " + Quote(path)));
    files.push_back({path, *std::move(root)});
  }
  std::ranges::stable_sort(files, {}, [](const RootFile& file) { return file.root.version(); });
  return files;
}

Result<std::optional<RootDocument>> NextRootFrom(const RootFile& file, const RootDocument& pinned,
                                                 WallTime now) {
  const RootDocument& root = file.root;
  if (root.cluster_id() != pinned.cluster_id()) {
    return Fail(ErrorCode::kDenied,
                fmt::format("{} is a root document of cluster {} ({}); the pinned one is of "
                            "cluster {} ({})",
                            Quote(file.path), Quote(root.cluster()), root.cluster_id(),
                            Quote(pinned.cluster()), pinned.cluster_id()),
                fmt::format("name root documents of cluster {}; the controller keeps them in "
                            "STATE_DIR/roots",
                            Quote(pinned.cluster())));
  }
  if (root.version() < pinned.version() || root.hash() == pinned.hash()) return std::nullopt;
  if (root.version() == pinned.version()) {
    return Fail(ErrorCode::kDenied,
                fmt::format("{} is version {} of the root document, but differs from the pinned "
                            "version {}",
                            Quote(file.path), root.version(), pinned.version()),
                std::string(kNotGenuine));
  }
  const std::uint64_t first = pinned.version() + 1;
  const std::uint64_t last = root.version() - 1;
  if (last >= first) {
    const std::string missing = first == last
                                    ? fmt::format("version {} is missing", first)
                                    : fmt::format("versions {} to {} are missing", first, last);
    return Fail(ErrorCode::kDenied,
                fmt::format("{} is version {} of the root document, and version {} is pinned: {}",
                            Quote(file.path), root.version(), pinned.version(), missing),
                fmt::format("name {}, too; the controller keeps all versions in STATE_DIR/roots",
                            first == last ? "it" : "them"));
  }
  Result<RootDocument> next = pinned.VerifyNext(root.envelope(), now);
  if (next) return *std::move(next);
  return Fail(ErrorCode::kDenied,
              fmt::format("the root document in {} does not follow the pinned one, version {}: {}",
                          Quote(file.path), pinned.version(), next.error().message()),
              std::string(kNotGenuine));
}

}  // namespace holdfast::trust
