#include "agent/sources/files/files.h"

#include <memory>
#include <utility>

#include "agent/sources/files/backup.h"
#include "agent/sources/files/settings.h"

namespace holdfast {
namespace files {
namespace {

class FilesSource final : public Source {
 public:
  FilesSource(SourceContext context, Settings settings)
      : context_(std::move(context)), settings_(std::move(settings)) {}

  Result<SourceInfo> Probe(std::stop_token stop) override {
    return ProbeFiles(settings_, std::move(stop));
  }

  Result<std::unique_ptr<BackupSession>> OpenBackup(const BackupSpec& spec) override {
    return OpenBackupSession(context_, settings_, spec);
  }

 private:
  SourceContext context_;
  Settings settings_;
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
