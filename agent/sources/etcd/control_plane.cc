#include "agent/sources/etcd/control_plane.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/text.h"
#include "common/io/fd.h"

namespace holdfast::etcd {
namespace {

constexpr std::string_view kEncryptionFlag = "--encryption-provider-config";

struct Expected {
  std::string_view name;
  std::string_view remedy;  // if the file is missing
};

constexpr std::string_view kIrreplaceable =
    "nothing can replace it: copy it from another control plane node now";
constexpr std::string_view kReissue = "reissue it: kubeadm init phase certs";
constexpr std::string_view kKubeconfig = "recreate it: kubeadm init phase kubeconfig";
constexpr std::string_view kManifest = "recreate it: kubeadm init phase control-plane, or etcd";

// All files below `kubernetes_dir` that `kubeadm init` creates on a node with a stacked etcd.
constexpr Expected kKubernetesFiles[] = {
    {"pki/ca.crt", kIrreplaceable},
    {"pki/ca.key", kIrreplaceable},
    {"pki/sa.key", kIrreplaceable},
    {"pki/sa.pub", kIrreplaceable},
    {"pki/front-proxy-ca.crt", kIrreplaceable},
    {"pki/front-proxy-ca.key", kIrreplaceable},
    {"pki/etcd/ca.crt", kIrreplaceable},
    {"pki/etcd/ca.key", kIrreplaceable},
    {"pki/apiserver.crt", kReissue},
    {"pki/apiserver.key", kReissue},
    {"pki/apiserver-kubelet-client.crt", kReissue},
    {"pki/apiserver-kubelet-client.key", kReissue},
    {"pki/apiserver-etcd-client.crt", kReissue},
    {"pki/apiserver-etcd-client.key", kReissue},
    {"pki/front-proxy-client.crt", kReissue},
    {"pki/front-proxy-client.key", kReissue},
    {"pki/etcd/server.crt", kReissue},
    {"pki/etcd/server.key", kReissue},
    {"pki/etcd/peer.crt", kReissue},
    {"pki/etcd/peer.key", kReissue},
    {"pki/etcd/healthcheck-client.crt", kReissue},
    {"pki/etcd/healthcheck-client.key", kReissue},
    {"admin.conf", kKubeconfig},
    {"controller-manager.conf", kKubeconfig},
    {"scheduler.conf", kKubeconfig},
    {"kubelet.conf", kKubeconfig},
    {"manifests/kube-apiserver.yaml", kManifest},
    {"manifests/kube-controller-manager.yaml", kManifest},
    {"manifests/kube-scheduler.yaml", kManifest},
    {"manifests/etcd.yaml", kManifest},
};

constexpr Expected kKubeletFiles[] = {
    {"config.yaml", "recreate it: kubeadm init phase kubelet-start"},
    {"kubeadm-flags.env", "recreate it: kubeadm init phase kubelet-start"},
};

// Why `path` cannot be saved; nullopt if it can.
std::optional<std::string> ReasonOf(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return std::nullopt;
  if (errno == ENOENT || errno == ENOTDIR) return "does not exist";
  return std::generic_category().message(errno);
}

void Expect(const std::string& path, std::string_view remedy, ControlPlaneFiles& files) {
  if (auto reason = ReasonOf(path))
    files.missing.push_back({path, *std::move(reason), std::string(remedy)});
}

void AddIfThere(const std::string& path, ControlPlaneFiles& files) {
  if (!ReasonOf(path) && std::ranges::find(files.roots, path) == files.roots.end())
    files.roots.push_back(path);
}

// Adds kubeconfigs: the four above, super-admin.conf of newer versions, and any added by hand.
void AddKubeconfigs(const std::string& directory, ControlPlaneFiles& files) {
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error))
    if (entries->path().extension() == ".conf") files.roots.push_back(entries->path().string());
  std::ranges::sort(files.roots);
}

void AddEncryptionConfig(const std::string& api_server, ControlPlaneFiles& files) {
  auto manifest = ReadWholeFile(api_server, 1U << 20);
  if (!manifest) {
    if (manifest.error().code() != ErrorCode::kNotFound)  // otherwise already in `missing`
      files.missing.push_back({api_server,
                               "cannot be read, so whether there is an encryption configuration "
                               "is not known: " +
                                   manifest.error().message(),
                               "let the agent read it"});
    return;
  }
  std::string path = EncryptionConfigOf(AsText(*manifest));
  if (path.empty()) return;
  Expect(path,
         "without it, the secrets in etcd cannot be read; if the path in the container differs "
         "from the host's, list the host's path in \"files\"",
         files);
  AddIfThere(path, files);
}

std::string_view StripQuotes(std::string_view text) {
  text = Trim(text, " \t\r");
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front())
    text = text.substr(1, text.size() - 2);
  return text;
}

}  // namespace

std::string EncryptionConfigOf(std::string_view manifest) {
  bool value_follows = false;
  while (!manifest.empty()) {
    std::string_view line = StripQuotes(TakePart(manifest, '\n'));
    if (line.starts_with('#')) continue;
    if (line.starts_with("- ")) line = StripQuotes(line.substr(2));
    if (std::size_t comment = line.find(" #"); comment != std::string_view::npos)
      line = StripQuotes(line.substr(0, comment));
    if (value_follows) return std::string(line);
    if (line == kEncryptionFlag) {
      value_follows = true;
    } else if (line.starts_with(kEncryptionFlag) && line[kEncryptionFlag.size()] == '=') {
      return std::string(StripQuotes(line.substr(kEncryptionFlag.size() + 1)));
    }
  }
  return "";
}

ControlPlaneFiles FindControlPlaneFiles(const Settings& settings) {
  ControlPlaneFiles files;
  if (!settings.kubeadm) return files;
  const std::string& kubernetes = settings.kubernetes_dir;
  AddKubeconfigs(kubernetes, files);
  AddIfThere(kubernetes + "/pki", files);
  AddIfThere(kubernetes + "/manifests", files);
  for (const Expected& file : kKubernetesFiles)
    Expect(kubernetes + "/" + std::string(file.name), file.remedy, files);
  AddEncryptionConfig(kubernetes + "/manifests/kube-apiserver.yaml", files);
  for (const Expected& file : kKubeletFiles) {
    std::string path = settings.kubelet_dir + "/" + std::string(file.name);
    Expect(path, file.remedy, files);
    AddIfThere(path, files);
  }
  // Has the client certificate that kubelet.conf names.
  AddIfThere(settings.kubelet_dir + "/pki", files);
  return files;
}

}  // namespace holdfast::etcd
