#include "agent/sources/zookeeper/settings.h"

#include "agent/sources/member/missing_policy.h"
#include "agent/sources/zookeeper/tcp.h"
#include "common/base/format.h"

namespace holdfast::zookeeper {
namespace {

Result<void> CheckAddress(const config::Values& values, std::string_view option,
                          const std::string& text) {
  if (text.empty() || ParseAddress(text)) return {};
  return values.Invalid(
      option, fmt::format("{} is not a server's address; expected one such as \"127.0.0.1:2181\"",
                          Quote(text)));
}

}  // namespace

config::Schema SettingsSchema() {
  using config::OptionSpec;
  using config::OptionType;
  return {{
      OptionSpec{.name = "config",
                 .type = OptionType::kPath,
                 .required = true,
                 .help = "zoo.cfg of the server on this node"},
      OptionSpec{.name = "data_dir",
                 .type = OptionType::kPath,
                 .help = "dataDir, if the agent sees it under another path than zoo.cfg has"},
      OptionSpec{.name = "data_log_dir",
                 .type = OptionType::kPath,
                 .help = "dataLogDir, if the agent sees it under another path than zoo.cfg has"},
      OptionSpec{
          .name = "endpoint",
          .help =
              "HOST:PORT at which this server answers \"srvr\"; default: the address in zoo.cfg"},
      OptionSpec{.name = "members",
                 .type = OptionType::kStringList,
                 .help = "HOST:PORT of the other members; default: the members in zoo.cfg"},
      OptionSpec{.name = "files",
                 .type = OptionType::kPathList,
                 .help = "further files and directories of this node to save"},
      OnMissingOption(),
  }};
}

Result<Settings> ReadSettings(const config::Values& values) {
  Settings settings;
  settings.config = values.Text("config");
  settings.data_dir = values.Text("data_dir");
  settings.data_log_dir = values.Text("data_log_dir");
  settings.endpoint = values.Text("endpoint");
  HF_TRY(CheckAddress(values, "endpoint", settings.endpoint));
  settings.members = values.List("members");
  for (const std::string& member : settings.members)
    HF_TRY(CheckAddress(values, "members", member));
  settings.files = values.List("files");
  settings.missing_is_failure = FailsOnMissing(values);
  return settings;
}

}  // namespace holdfast::zookeeper
