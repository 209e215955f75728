#include "agent/sources/prometheus/settings.h"

#include "common/base/format.h"

namespace holdfast::prometheus {

config::Schema SettingsSchema() {
  using config::OptionSpec;
  using config::OptionType;
  config::Schema schema = {{
      OptionSpec{.name = "data_dir",
                 .type = OptionType::kPath,
                 .required = true,
                 .help = "data directory: the value of --storage.tsdb.path or, in agent mode, of "
                         "--storage.agent.path"},
      OptionSpec{
          .name = "url",
          .help = "URL of the server, e.g. http://127.0.0.1:9090, to read its version and health"},
  }};
  AddHttpAccessOptions(schema, "user in basic_auth_users of the web configuration");
  AddKingpinFilesOptions(schema);
  return schema;
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
    return values.Invalid("user", "\"user\" has no effect without \"url\"");
  ReadKingpinFiles(values, settings);
  return settings;
}

}  // namespace holdfast::prometheus
