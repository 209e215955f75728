#include "agent/sources/etcd/discover.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <utility>

#include "agent/sources/host/flags.h"
#include "agent/sources/host/paths.h"
#include "agent/sources/host/untrusted_file.h"
#include "common/base/format.h"
#include "common/config/yaml.h"

namespace holdfast::etcd {
namespace {

using config::Node;
using host::ServerUrl;

constexpr std::size_t kTextBytesMax = 1U << 20;
constexpr std::string_view kDefaultClientUrl = "http://localhost:2379";
constexpr std::string_view kKubeadmDirectory = "/etc/kubernetes/pki/etcd/";

// Options that have another name in a configuration file, inside one of its two maps.
struct FileKey {
  std::string_view flag;
  std::string_view map;
  std::string_view key;
};
constexpr std::array<FileKey, 7> kFileKeys = {{
    {"cert-file", "client-transport-security", "cert-file"},
    {"key-file", "client-transport-security", "key-file"},
    {"trusted-ca-file", "client-transport-security", "trusted-ca-file"},
    {"client-cert-auth", "client-transport-security", "client-cert-auth"},
    {"peer-cert-file", "peer-transport-security", "cert-file"},
    {"peer-key-file", "peer-transport-security", "key-file"},
    {"peer-trusted-ca-file", "peer-transport-security", "trusted-ca-file"},
}};
constexpr std::array<std::string_view, 6> kFileFlags = {"cert-file",       "key-file",
                                                        "trusted-ca-file", "peer-cert-file",
                                                        "peer-key-file",   "peer-trusted-ca-file"};

// Returns "ETCD_LISTEN_CLIENT_URLS" for "listen-client-urls".
std::string VariableOf(std::string_view flag) {
  std::string name = "ETCD_";
  for (const char c : flag)
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

// The settings of a member. If there is a configuration file, etcd ignores everything else;
// otherwise a flag overrides its environment variable.
class MemberSettings {
 public:
  MemberSettings(const host::LocalProcess& process, const host::Places& places,
                 std::vector<std::string>& notes)
      : flags_(host::ParseFlags(std::span(process.command).subspan(1))) {
    files_ = host::FindUnitFiles(process.unit, places).environment;
    ReadEnvironment(process, notes);
    const std::string config = Text("config-file");
    if (config.empty()) return;
    config_path_ = process.Absolute(config);
    files_.push_back(config_path_);
    const auto text = process.ReadFile(config_path_, kTextBytesMax);
    if (!text || !*text) {
      notes.push_back(fmt::format("its configuration {} cannot be read: {}", Quote(config_path_),
                                  text ? "it does not exist" : text.error().message()));
      return;
    }
    auto node = config::ParseYaml(**text, config_path_);
    if (!node || node->kind != Node::Kind::kMap) {
      notes.push_back(fmt::format("its configuration {} cannot be parsed", Quote(config_path_)));
      return;
    }
    file_ = *std::move(node);
  }

  std::string Text(std::string_view flag) const {
    if (!config_path_.empty()) return FromFile(flag);
    if (const auto found = flags_.find(flag); found != flags_.end()) return found->second;
    const auto found = environment_.find(VariableOf(flag));
    return found == environment_.end() ? "" : found->second;
  }
  bool Flag(std::string_view flag) const { return Text(flag) == "true"; }
  // Its configuration file and the environment files of its unit.
  const std::vector<std::string>& files() const { return files_; }

 private:
  void ReadEnvironment(const host::LocalProcess& process, std::vector<std::string>& notes) {
    if (auto environment = process.ReadEnvironment()) {
      environment_ = *std::move(environment);
      return;
    }
    // systemd read these files at the start; they may have changed since.
    for (const std::string& file : files_) {
      const auto text = ReadUntrustedFile(file, kTextBytesMax);
      if (!text || !*text) continue;
      for (auto& [name, value] : host::ParseEnvironment(**text)) environment_[name] = value;
    }
    notes.push_back(fmt::format("its environment cannot be read{} (hint: {})",
                                files_.empty() ? "" : ", so that of its unit's files was used",
                                host::kLookHint));
  }

  std::string FromFile(std::string_view flag) const {
    const Node* parent = &file_;
    const auto renamed = std::ranges::find(kFileKeys, flag, &FileKey::flag);
    if (renamed != kFileKeys.end()) {
      parent = file_.Find(renamed->map);
      flag = renamed->key;
    }
    if (parent == nullptr || parent->kind != Node::Kind::kMap) return "";
    const Node* value = parent->Find(flag);
    return value != nullptr && value->kind == Node::Kind::kScalar ? value->scalar : "";
  }

  std::map<std::string, std::string, std::less<>> flags_;
  host::Environment environment_;
  std::vector<std::string> files_;
  std::string config_path_;
  Node file_;
};

std::vector<ServerUrl> UrlsOf(const std::string& text) {
  std::vector<ServerUrl> urls;
  for (const std::string& one : host::SplitList(text)) {
    const auto url = ServerUrl::Parse(one);
    if (url && (url->scheme == "http" || url->scheme == "https")) urls.push_back(*url);
  }
  return urls;
}

bool IsLoopback(const ServerUrl& url) {
  return url.host == "localhost" || url.host.starts_with("127.") || url.host == "::1";
}

// An endpoint that reaches only this member, from this host.
ServerUrl EndpointOf(const std::vector<ServerUrl>& listens,
                     const std::vector<ServerUrl>& advertised) {
  const auto loopback = std::ranges::find_if(listens, IsLoopback);
  if (loopback != listens.end()) return *loopback;
  ServerUrl url = listens.front();
  if (!url.IsWildcard()) return url;
  // Its certificate is valid for an advertised name, and rarely for 127.0.0.1.
  const auto named = std::ranges::find_if(
      advertised, [](const ServerUrl& one) { return one.scheme == "https" && !one.IsWildcard(); });
  if (url.scheme == "https" && named != advertised.end()) return *named;
  url.host = "127.0.0.1";
  return url;
}

void AddKnown(const std::vector<ServerUrl>& urls, DiscoveredSource& found) {
  for (ServerUrl url : urls) {
    if (!url.IsWildcard()) found.known_by.emplace_back("endpoints", url.Text());
    if (!url.IsWildcard() && !IsLoopback(url)) continue;
    for (const char* host : {"127.0.0.1", "localhost"}) {
      url.host = host;
      found.known_by.emplace_back("endpoints", url.Text());
    }
  }
}

void SetTls(const MemberSettings& member, const host::LocalProcess& process,
            DiscoveredSource& found) {
  const auto file = [&](std::string_view flag) {
    const std::string path = member.Text(flag);
    return path.empty() ? path : process.Absolute(path);
  };
  const std::string ca = file("trusted-ca-file");
  const std::string cert = file("cert-file");
  if (!ca.empty())
    found.Set("ca", ca);
  else
    found.notes.emplace_back(
        "add \"ca\", unless the system trusts the authority of its certificate");
  if (cert.starts_with(kKubeadmDirectory)) {
    const std::string directory(kKubeadmDirectory);
    found.Set("cert", directory + "healthcheck-client.crt");
    found.Set("key", directory + "healthcheck-client.key");
    found.Set("kubeadm", true);
    return;
  }
  if (!member.Flag("client-cert-auth")) return;
  if (cert.empty()) {
    found.notes.emplace_back("it requires a client certificate: add \"cert\" and \"key\"");
    return;
  }
  found.Set("cert", cert);
  found.Set("key", file("key-file"));
  found.notes.emplace_back(
      "it requires a client certificate: this is its own, which must also be valid for clients");
}

}  // namespace

std::optional<DiscoveredSource> Discover(const host::LocalProcess& process,
                                         const host::Places& places) {
  if (process.Name() != "etcd") return std::nullopt;
  DiscoveredSource found;
  const MemberSettings member(process, places, found.notes);
  std::vector<ServerUrl> listens = UrlsOf(member.Text("listen-client-urls"));
  if (listens.empty()) listens = UrlsOf(std::string(kDefaultClientUrl));
  const std::vector<ServerUrl> advertised = UrlsOf(member.Text("advertise-client-urls"));
  const ServerUrl endpoint = EndpointOf(listens, advertised);
  found.Set("endpoints", std::vector<std::string>{endpoint.Text()});
  AddKnown(listens, found);
  AddKnown(advertised, found);
  if (endpoint.scheme == "https") SetTls(member, process, found);

  const bool is_kubeadm = std::ranges::any_of(
      found.options, [](const auto& option) { return option.first == "kubeadm"; });
  std::vector<std::string> files = member.files();
  for (const std::string_view flag : kFileFlags) {
    const std::string path = member.Text(flag);
    // With kubeadm, its whole directory is saved.
    if (!path.empty() && !is_kubeadm) files.push_back(process.Absolute(path));
  }
  host::SortPaths(files);
  found.SetList("files", std::move(files));

  const std::string name = member.Text("name").empty() ? "default" : member.Text("name");
  const std::string data =
      member.Text("data-dir").empty() ? name + ".etcd" : member.Text("data-dir");
  found.facts = {{"member", name}, {"data directory", process.Absolute(data)}};
  return found;
}

}  // namespace holdfast::etcd
