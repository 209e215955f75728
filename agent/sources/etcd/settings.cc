#include "agent/sources/etcd/settings.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast::etcd {
namespace {

constexpr std::string_view kTlsOptions[] = {"ca", "cert", "key"};

Result<std::string> ReadEndpoint(const config::Values& values, std::string endpoint) {
  bool is_http = endpoint.starts_with("http://");
  bool is_https = endpoint.starts_with("https://");
  std::string_view host = std::string_view(endpoint).substr(is_https ? 8 : is_http ? 7 : 0);
  while (host.ends_with('/')) host.remove_suffix(1);
  constexpr std::string_view kNeverInAnAddress("/?#@ \t\r\n\0", 9);
  if ((!is_http && !is_https) || host.empty() ||
      host.find_first_of(kNeverInAnAddress) != std::string_view::npos)
    return values.Invalid("endpoints",
                          fmt::format("expected a client URL such as \"https://127.0.0.1:2379\", "
                                      "found {}",
                                      Quote(endpoint)));
  return (is_https ? "https://" : "http://") + std::string(host);
}

Result<void> CheckTls(const config::Values& values, const Settings& settings) {
  if (!settings.cert_file.empty() && settings.key_file.empty())
    return values.Invalid("cert", "\"cert\" needs \"key\", the file of its private key");
  if (!settings.key_file.empty() && settings.cert_file.empty())
    return values.Invalid("key", "\"key\" needs \"cert\", the file of its certificate");
  bool has_tls = std::ranges::any_of(
      settings.endpoints, [](const std::string& url) { return url.starts_with("https://"); });
  for (std::string_view option : kTlsOptions)
    if (values.Has(option) && !has_tls)
      return values.Invalid(option, fmt::format("\"{}\" is of no use: no endpoint begins with "
                                                "https://",
                                                option));
  return {};
}

// A file that the configuration names and that is not there is a mistake in the configuration.
std::unexpected<Error> UnreadableFile(const Error& error, std::string_view option) {
  ErrorCode code =
      error.code() == ErrorCode::kNotFound ? ErrorCode::kInvalidArgument : error.code();
  return Fail(code, fmt::format("\"{}\": {}", option, error.message()),
              "correct the path, and let the agent read the file");
}

Result<void> CheckReadable(const std::string& path, std::string_view option) {
  if (path.empty()) return {};
  auto file = OpenFile(path, O_RDONLY);
  if (!file) return UnreadableFile(file.error(), option);
  return {};
}

}  // namespace

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
      "Client URLs of members; the first healthy, caught-up one is read");
  schema.options.back().required = true;
  add("ca", OptionType::kPath, "PEM file of the authority that signed the servers' certificates");
  add("cert", OptionType::kPath, "PEM file of the client certificate");
  add("key", OptionType::kPath, "PEM file of the client certificate's private key");
  add("user", OptionType::kString, "User with the role root, where authentication is on");
  add("password_file", OptionType::kPath, "File whose first line is that user's password");
  add("files", OptionType::kPathList, "Files and directories of this member to save as well");
  add("kubeadm", OptionType::kBool, "Also save what a kubeadm control plane needs to live again");
  add("kubernetes_dir", OptionType::kPath, "Where kubeadm keeps its files, /etc/kubernetes");
  add("kubelet_dir", OptionType::kPath, "Where the kubelet keeps its files, /var/lib/kubelet");
  return schema;
}

Result<Settings> ReadSettings(const config::Values& values) {
  Settings settings;
  for (const std::string& endpoint : values.List("endpoints")) {
    HF_ASSIGN(std::string url, ReadEndpoint(values, endpoint));
    if (std::ranges::find(settings.endpoints, url) != settings.endpoints.end())
      return values.Invalid("endpoints", fmt::format("{} stands there twice", Quote(url)));
    settings.endpoints.push_back(std::move(url));
  }
  if (values.Has("endpoints") && settings.endpoints.empty())
    return values.Invalid("endpoints", "expected at least one client URL");
  settings.ca_file = values.Text("ca");
  settings.cert_file = values.Text("cert");
  settings.key_file = values.Text("key");
  HF_TRY(CheckTls(values, settings));
  settings.user = values.Text("user");
  settings.password_file = values.Text("password_file");
  if (!settings.user.empty() && settings.password_file.empty())
    return values.Invalid("user", "\"user\" needs \"password_file\"");
  if (!settings.password_file.empty() && settings.user.empty())
    return values.Invalid("password_file", "\"password_file\" needs \"user\"");
  settings.files = values.List("files");
  settings.kubeadm = values.Flag("kubeadm");
  for (std::string_view option : {"kubernetes_dir", "kubelet_dir"})
    if (values.Has(option) && !settings.kubeadm)
      return values.Invalid(option, fmt::format("\"{}\" needs \"kubeadm: true\"", option));
  settings.kubernetes_dir = values.Text("kubernetes_dir", "/etc/kubernetes");
  settings.kubelet_dir = values.Text("kubelet_dir", "/var/lib/kubelet");
  return settings;
}

Result<Access> ReadAccess(const Settings& settings) {
  HF_TRY(CheckReadable(settings.ca_file, "ca"));
  HF_TRY(CheckReadable(settings.cert_file, "cert"));
  HF_TRY(CheckReadable(settings.key_file, "key"));
  Access access{settings.ca_file, settings.cert_file, settings.key_file, settings.user, {}};
  if (settings.password_file.empty()) return access;
  auto content = ReadWholeFile(settings.password_file, 4096);
  if (!content) return UnreadableFile(content.error(), "password_file");
  std::string text(AsText(*content));
  text.resize(std::min(text.size(), text.find_first_of("\r\n")));
  if (text.empty())
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("password file {} holds no password in its first line",
                            Quote(settings.password_file)));
  access.password = Secret(std::move(text));
  return access;
}

}  // namespace holdfast::etcd
