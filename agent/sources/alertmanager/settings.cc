#include "agent/sources/alertmanager/settings.h"

#include <algorithm>

#include "common/base/format.h"

namespace holdfast::alertmanager {

config::Schema SettingsSchema() {
  using config::OptionSpec;
  using config::OptionType;
  config::Schema schema = {{
      OptionSpec{.name = "endpoints",
                 .type = OptionType::kStringList,
                 .required = true,
                 .help = "URLs of the Alertmanager on this node and, in a cluster, of its peers"},
      OptionSpec{
          .name = "storage",
          .type = OptionType::kPath,
          .required = true,
          .help = "data directory of the Alertmanager on this node: the value of --storage.path"},
  }};
  AddHttpAccessOptions(schema, "user in basic_auth_users of the web configuration");
  prometheus::AddNodeFilesOptions(schema);
  return schema;
}

Result<Settings> ReadSettings(const config::Values& values) {
  Settings settings;
  for (const std::string& endpoint : values.List("endpoints")) {
    HF_ASSIGN(std::string url,
              ReadServerUrl(values, "endpoints", "http://127.0.0.1:9093", endpoint, true));
    if (std::ranges::find(settings.endpoints, url) != settings.endpoints.end())
      return values.Invalid("endpoints", fmt::format("{} is listed twice", Quote(url)));
    settings.endpoints.push_back(std::move(url));
  }
  if (values.Has("endpoints") && settings.endpoints.empty())
    return values.Invalid("endpoints", "expected at least one URL");
  HF_TRY(ReadHttpAccess(values, settings.endpoints, settings));
  settings.storage = values.Text("storage");
  prometheus::ReadNodeFiles(values, settings);
  return settings;
}

}  // namespace holdfast::alertmanager
