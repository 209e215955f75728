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
                 .help = "where Prometheus keeps its data, as --storage.tsdb.path says, or of an "
                         "agent --storage.agent.path"},
      OptionSpec{.name = "url",
                 .help = "its URL, e.g. http://127.0.0.1:9090; asked for its version and health"},
  }};
  AddHttpAccessOptions(schema, "user of the web configuration's basic_auth_users");
  AddNodeFilesOptions(schema);
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
    return values.Invalid("user", "\"user\" is of no use without \"url\"");
  ReadNodeFiles(values, settings);
  return settings;
}

}  // namespace holdfast::prometheus
