#include "common/trust/root_files.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"
#include "common/io/fd.h"
#include "common/trust/envelope.h"

namespace holdfast::trust {

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

}  // namespace holdfast::trust
