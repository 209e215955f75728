#include "agent/sources/prometheus/settings.h"

#include "common/base/format.h"

namespace holdfast::prometheus {

config::Schema SettingsSchema() {
  using config::OptionSpec;
  using config::OptionType;
  return {{
      OptionSpec{.name = "data_dir",
                 .type = OptionType::kPath,
                 .required = true,
                 .help = "where Prometheus keeps its data, as --storage.tsdb.path says, or of an "
                         "agent --storage.agent.path"},
      OptionSpec{.name = "url",
                 .help = "its URL, e.g. http://127.0.0.1:9090; asked for its version and health"},
      OptionSpec{.name = "ca",
                 .type = OptionType::kPath,
                 .help = "PEM file of the authority that signed the server's certificate"},
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
  settings.data_dir = values.Text("data_dir");
  std::vector<std::string> urls;
  if (values.Has("url")) {
    HF_ASSIGN(settings.url,
              ReadServerUrl(values, "url", "http://127.0.0.1:9090", values.Text("url"), true));
    urls.push_back(settings.url);
  }
  HF_TRY(ReadHttpAccess(values, urls, settings));
  if (settings.url.empty() && !settings.user.empty())
    return values.Invalid("user", "\"user\" is of no use without \"url\"");
  settings.config = values.Text("config");
  settings.files = values.List("files");
  settings.missing_is_failure = values.Text("on_missing") == "fail";
  return settings;
}

}  // namespace holdfast::prometheus
