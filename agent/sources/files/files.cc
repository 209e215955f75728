#include "agent/sources/files/files.h"

#include <utility>

#include "agent/sources/files/backup.h"
#include "agent/sources/files/settings.h"
#include "agent/sources/member/basic_source.h"

namespace holdfast {
namespace files {
namespace {

class FilesSource final : public BasicSource<Settings, OpenBackupSession> {
 public:
  using BasicSource::BasicSource;

  Result<SourceInfo> Probe(std::stop_token stop) override {
    return ProbeFiles(settings_, std::move(stop));
  }
};

}  // namespace
}  // namespace files

SourceKind FilesKind() {
  SourceKind kind;
  kind.kind = "files";
  kind.topology = Topology::kLocal;
  kind.summary = "files and directories with all their metadata";
  kind.options = files::SettingsSchema();
  kind.original_root = "data";
  kind.open = OpenWithSettings<files::FilesSource, files::ReadSettings>;
  return kind;
}

}  // namespace holdfast
