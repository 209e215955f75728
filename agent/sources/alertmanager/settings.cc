#include "agent/sources/alertmanager/settings.h"

#include <algorithm>

#include "common/base/format.h"

namespace holdfast::alertmanager {

config::Schema SettingsSchema() {
  using config::OptionSpec;
  using config::OptionType;
  return {{
      OptionSpec{.name = "endpoints",
                 .type = OptionType::kStringList,
                 .required = true,
                 .help = "URLs of the Alertmanager on this node and, if it is clustered, of its "
                         "peers"},
      OptionSpec{.name = "storage",
                 .type = OptionType::kPath,
                 .required = true,
                 .help = "where the one on this node keeps its files, as --storage.path says"},
      OptionSpec{.name = "ca",
                 .type = OptionType::kPath,
                 .help = "PEM file of the authority that signed the servers' certificates"},
      OptionSpec{
          .name = "cert", .type = OptionType::kPath, .help = "PEM file of the client certificate"},
      OptionSpec{.name = "key",
                 .type = OptionType::kPath,
                 .help = "PEM file of the client certificate's private key"},
      OptionSpec{.name = "user", .help = "user of the web configuration's basic_auth_users"},
      OptionSpec{.name = "password_file",
                 .type = OptionType::kPath,
                 .help = "file whose first line is that user's password"},
      OptionSpec{.name = "config",
                 .type = OptionType::kPath,
                 .help = "its configuration, where it is not the one that the running process "
                         "names"},
      OptionSpec{.name = "files",
                 .type = OptionType::kPathList,
                 .help = "files and directories of this node to save as well"},
      OptionSpec{.name = "on_missing",
                 .help = "what becomes of a backup without a file that the configuration names: "
                         "warn (partly done, the default) or fail",
                 .choices = {"warn", "fail"}},
  }};
}

Result<Settings> ReadSettings(const config::Values& values) {
  Settings settings;
  for (const std::string& endpoint : values.List("endpoints")) {
    HF_ASSIGN(std::string url,
              ReadServerUrl(values, "endpoints", "http://127.0.0.1:9093", endpoint, true));
    if (std::ranges::find(settings.endpoints, url) != settings.endpoints.end())
      return values.Invalid("endpoints", fmt::format("{} stands there twice", Quote(url)));
    settings.endpoints.push_back(std::move(url));
  }
  if (values.Has("endpoints") && settings.endpoints.empty())
    return values.Invalid("endpoints", "expected at least one URL");
  HF_TRY(ReadHttpAccess(values, settings.endpoints, settings));
  settings.storage = values.Text("storage");
  settings.config = values.Text("config");
  settings.files = values.List("files");
  settings.missing_is_failure = values.Text("on_missing") == "fail";
  return settings;
}

}  // namespace holdfast::alertmanager
