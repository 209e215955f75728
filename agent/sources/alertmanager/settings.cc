#include "agent/sources/alertmanager/settings.h"

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
  AddKingpinFilesOptions(schema);
  return schema;
}

Result<Settings> ReadSettings(const config::Values& values) {
  Settings settings;
  HF_ASSIGN(settings.endpoints, ReadEndpoints(values, "http://127.0.0.1:9093", "URL", true));
  HF_TRY(ReadHttpAccess(values, settings.endpoints, settings));
  settings.storage = values.Text("storage");
  ReadKingpinFiles(values, settings);
  return settings;
}

}  // namespace holdfast::alertmanager
