#include "agent/sources/zookeeper/zookeeper.h"

#include <memory>
#include <utility>

#include "agent/sources/zookeeper/backup.h"
#include "agent/sources/zookeeper/discover.h"
#include "agent/sources/zookeeper/member_files.h"
#include "agent/sources/zookeeper/pinned_files.h"
#include "agent/sources/zookeeper/settings.h"
#include "agent/sources/zookeeper/survey.h"
#include "common/base/format.h"

namespace holdfast {
namespace zookeeper {
namespace {

class ZooKeeperSource final : public Source {
 public:
  ZooKeeperSource(SourceContext context, Settings settings)
      : context_(std::move(context)), settings_(std::move(settings)) {}

  Result<SourceInfo> Probe(std::stop_token stop) override {
    HF_ASSIGN(const Survey survey, SurveyServer(settings_, stop, context_.places));
    SourceInfo info;
    info.identity = survey.Identity();
    info.members = survey.Members();
    info.healthy = survey.answer.has_value();
    info.health = survey.Health();
    info.warnings = survey.config.warnings;
    const auto files = PinnedFiles::Open({.data_dir = survey.config.data_dir,
                                          .log_dir = survey.config.log_dir,
                                          .is_live = survey.is_live()},
                                         stop);
    if (files) {
      info.would_save.push_back(files->snapshot().path);
      for (const PinnedLog& log : files->logs()) info.would_save.push_back(log.file.path);
      info.identity["zxid"] = ZxidText(files->zxid());
      for (const std::string& damage : files->damages()) info.warnings.push_back(damage);
    } else {
      if (files.error().code() == ErrorCode::kCancelled) return Fail(files.error());
      info.healthy = false;
      info.missing.push_back(
          {survey.config.data_dir, files.error().message(), files.error().hint()});
    }
    for (const std::string& path : FindMemberFiles(settings_, survey).roots) {
      auto there = filetree::ReadAttributes(path);
      if (there) {
        info.would_save.push_back(path);
      } else {
        info.missing.push_back({path, there.error().message(), "let the agent read it"});
      }
    }
    return info;
  }

  Result<std::unique_ptr<BackupSession>> OpenBackup(const BackupSpec& spec) override {
    return OpenBackupSession(context_, settings_, spec);
  }

 private:
  SourceContext context_;
  Settings settings_;
};

}  // namespace
}  // namespace zookeeper

SourceKind ZooKeeperKind() {
  SourceKind kind;
  kind.kind = "zookeeper";
  kind.topology = Topology::kReplicated;
  kind.summary =
      "ZooKeeper: a snapshot of its tree with the transaction logs after it, and files of the "
      "members";
  kind.options = zookeeper::SettingsSchema();
  kind.no_in_place = "all members must start from the snapshot together";
  kind.discover = zookeeper::Discover;
  kind.open = OpenWithSettings<zookeeper::ZooKeeperSource, zookeeper::ReadSettings>;
  return kind;
}

}  // namespace holdfast
