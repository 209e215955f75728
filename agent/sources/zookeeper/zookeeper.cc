#include "agent/sources/zookeeper/zookeeper.h"

#include "agent/sources/member/basic_source.h"
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

class ZooKeeperSource final : public BasicSource<Settings, OpenBackupSession> {
 public:
  using BasicSource::BasicSource;

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
