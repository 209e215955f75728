#include "agent/sources/haproxy/haproxy.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "agent/sources/haproxy/backup.h"
#include "agent/sources/haproxy/config_check.h"
#include "agent/sources/haproxy/discover.h"
#include "agent/sources/haproxy/process.h"
#include "agent/sources/haproxy/runtime_api.h"
#include "agent/sources/haproxy/settings.h"
#include "agent/sources/haproxy/survey.h"
#include "agent/sources/member/basic_source.h"
#include "common/base/format.h"

namespace holdfast {

namespace haproxy {

namespace {

class HaproxySource final : public BasicSource<Settings, OpenBackupSession> {
 public:
  using BasicSource::BasicSource;

  Result<SourceInfo> Probe(std::stop_token stop) override {
    SourceInfo info;
    Survey survey = TakeSurvey(settings_);
    info.would_save = survey.roots;
    info.missing = std::move(survey.missing);
    info.warnings = std::move(survey.warnings);
    for (const std::string& root : survey.roots) {
      // To read a symlink, access to its directory is enough.
      if (::faccessat(AT_FDCWD, root.c_str(), R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) == 0) {
        continue;
      }
      auto place = survey.places.find(root);
      std::string reason = "not readable";
      if (place != survey.places.end()) reason += ", named in " + place->second;
      info.missing.push_back({root, reason, "let the agent read it"});
    }
    info.healthy = survey.has_config;
    if (!survey.has_config) {
      info.health = "no configuration file can be read";
      return info;
    }
    ProbeConfiguration(info, stop);
    if (info.healthy) ProbeProcess(info, stop);
    if (!settings_.socket.empty()) ProbeSocket(info, std::move(stop));
    return info;
  }

 private:
  void ProbeConfiguration(SourceInfo& info, std::stop_token stop) const {
    Result<std::string> version = AskVersion(settings_, stop);
    if (version) info.identity["server_version"] = *version;
    Result<CheckVerdict> verdict = CheckLive(settings_, std::move(stop));
    if (!verdict && verdict.error().code() == ErrorCode::kUnsupported) {
      info.health = "the configuration was not checked";
      info.warnings.push_back(verdict.error().Text());
      return;
    }
    if (!verdict) {
      info.healthy = false;
      info.health = fmt::format("the configuration cannot be checked: {}", verdict.error().Text());
      return;
    }
    for (std::string& warning : verdict->warnings) info.warnings.push_back(std::move(warning));
    info.health = "the configuration is valid";
    if (verdict->is_accepted) return;
    info.healthy = false;
    info.health = fmt::format("haproxy refuses the configuration: {}", verdict->alerts.front());
  }

  void ProbeProcess(SourceInfo& info, std::stop_token stop) const {
    if (!settings_.reload) return;
    Result<ProcessState> state = Process(*settings_.reload, *context_.clock).Look(std::move(stop));
    if (!state) {
      info.healthy = false;
      info.health += "; " + state.error().Text();
    } else if (!state->is_running) {
      info.healthy = false;
      info.health += fmt::format("; haproxy does not run ({})", settings_.reload->Text());
    } else {
      info.health += fmt::format("; running, master process {}", state->master);
    }
  }

  void ProbeSocket(SourceInfo& info, std::stop_token stop) const {
    const auto api = RuntimeApi::Open(settings_.socket, *context_.clock, std::move(stop));
    if (!api) {
      info.warnings.push_back(
          fmt::format("the runtime state would not be saved: {}", api.error().Text()));
      return;
    }
    info.would_save.push_back("live state by " + settings_.socket);
    if (api->MayOperate()) return;
    info.missing.push_back({"stick tables and certificates of HAProxy",
                            fmt::format("{} has only the level \"user\"", settings_.socket),
                            "add \"level operator\" to its \"stats socket\" line"});
  }
};

}  // namespace

}  // namespace haproxy

SourceKind HaproxyKind() {
  SourceKind kind;
  kind.kind = "haproxy";
  kind.topology = Topology::kLocal;
  kind.summary =
      "HAProxy: configuration, every file that it names, and state of the running process";
  kind.options = haproxy::SettingsSchema();
  kind.discover = haproxy::Discover;
  kind.open = OpenWithSettings<haproxy::HaproxySource, haproxy::ReadSettings>;
  return kind;
}

}  // namespace holdfast
