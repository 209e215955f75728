#include "agent/sources/etcd/settings.h"

#include <utility>

#include "common/base/format.h"

namespace holdfast::etcd {

config::Schema SettingsSchema() {
  using config::OptionType;
  config::Schema schema;
  auto add = [&](std::string name, OptionType type, std::string help) {
    config::OptionSpec option;
    option.name = std::move(name);
    option.type = type;
    option.help = std::move(help);
    schema.options.push_back(std::move(option));
  };
  add("endpoints", OptionType::kStringList,
      "client URLs of members; the first healthy member that is up to date is read");
  schema.options.back().required = true;
  AddHttpAccessOptions(schema, "user with the role root, if authentication is enabled");
  add("files", OptionType::kPathList, "further files and directories of this member to save");
  add("kubeadm", OptionType::kBool, "also save what restoring a kubeadm control plane needs");
  add("kubernetes_dir", OptionType::kPath, "kubeadm's directory; default: /etc/kubernetes");
  add("kubelet_dir", OptionType::kPath, "the kubelet's directory; default: /var/lib/kubelet");
  return schema;
}

Result<Settings> ReadSettings(const config::Values& values) {
  Settings settings;
  HF_ASSIGN(settings.endpoints,
            ReadEndpoints(values, "https://127.0.0.1:2379", "client URL", false));
  HF_TRY(ReadHttpAccess(values, settings.endpoints, settings));
  settings.files = values.List("files");
  settings.kubeadm = values.Flag("kubeadm");
  for (std::string_view option : {"kubernetes_dir", "kubelet_dir"})
    if (values.Has(option) && !settings.kubeadm)
      return values.Invalid(option, fmt::format("\"{}\" needs \"kubeadm: true\"", option));
  settings.kubernetes_dir = values.Text("kubernetes_dir", "/etc/kubernetes");
  settings.kubelet_dir = values.Text("kubelet_dir", "/var/lib/kubelet");
  return settings;
}

}  // namespace holdfast::etcd
