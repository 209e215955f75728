#include "agent/sources/etcd/control_plane.h"

#include <algorithm>

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/results.h"

namespace holdfast::etcd {
namespace {

void Write(const std::string& path, std::string_view text = "x") {
  REQUIRE_OK(MakeDirectories(path.substr(0, path.rfind('/'))));
  REQUIRE_OK(WriteFileAtomic(path, AsBytes(text), 0600));
}

bool IsMissing(const ControlPlaneFiles& files, const std::string& path) {
  return std::ranges::any_of(files.missing, [&](const Missing& m) { return m.what == path; });
}

bool IsRoot(const ControlPlaneFiles& files, const std::string& path) {
  return std::ranges::find(files.roots, path) != files.roots.end();
}

}  // namespace

TEST_CASE("control plane: no files without kubeadm") {
  ControlPlaneFiles files = FindControlPlaneFiles({});
  REQUIRE((files.roots.empty() && files.missing.empty()));
}

TEST_CASE("control plane: existing files are saved, and each missing one is named") {
  TempDir directory = testing::Unwrap(TempDir::Create("control-plane"));
  Settings settings;
  settings.kubeadm = true;
  settings.kubernetes_dir = directory.path() + "/kubernetes";
  settings.kubelet_dir = directory.path() + "/kubelet";
  std::string encryption = directory.path() + "/enc/enc.yaml";
  Write(settings.kubernetes_dir + "/pki/ca.key");
  Write(settings.kubernetes_dir + "/admin.conf");
  Write(settings.kubernetes_dir + "/super-admin.conf");
  Write(settings.kubernetes_dir + "/manifests/kube-apiserver.yaml",
        "spec:\n  - command:\n    - --encryption-provider-config=" + encryption + "\n");
  Write(settings.kubelet_dir + "/config.yaml");

  ControlPlaneFiles files = FindControlPlaneFiles(settings);

  REQUIRE(IsRoot(files, settings.kubernetes_dir + "/pki"));
  REQUIRE(IsRoot(files, settings.kubernetes_dir + "/manifests"));
  REQUIRE(IsRoot(files, settings.kubernetes_dir + "/super-admin.conf"));
  REQUIRE(IsRoot(files, settings.kubelet_dir + "/config.yaml"));
  REQUIRE_FALSE(IsMissing(files, settings.kubernetes_dir + "/pki/ca.key"));
  REQUIRE_FALSE(IsMissing(files, settings.kubernetes_dir + "/admin.conf"));
  REQUIRE(IsMissing(files, settings.kubernetes_dir + "/pki/sa.key"));
  REQUIRE(IsMissing(files, settings.kubernetes_dir + "/manifests/etcd.yaml"));
  REQUIRE(IsMissing(files, settings.kubelet_dir + "/kubeadm-flags.env"));
  REQUIRE(IsMissing(files, encryption));
  Write(encryption);
  REQUIRE(IsRoot(FindControlPlaneFiles(settings), encryption));
}

TEST_CASE("control plane: the encryption configuration is found in any notation") {
  REQUIRE(EncryptionConfigOf("a\n    - --encryption-provider-config=/e/c.yaml\nb").empty() ==
          false);
  REQUIRE(EncryptionConfigOf("    - --encryption-provider-config=/e/c.yaml\r\n") == "/e/c.yaml");
  REQUIRE(EncryptionConfigOf("- \"--encryption-provider-config=/e/c.yaml\"") == "/e/c.yaml");
  REQUIRE(EncryptionConfigOf("- --encryption-provider-config\n- '/e/c.yaml'\n") == "/e/c.yaml");
  REQUIRE(EncryptionConfigOf("- --encryption-provider-config=/e/c.yaml # why\n") == "/e/c.yaml");
  REQUIRE(EncryptionConfigOf("# - --encryption-provider-config=/e/c.yaml\n").empty());
  REQUIRE(EncryptionConfigOf("- --encryption-provider-config-automatic-reload=true\n").empty());
  REQUIRE(EncryptionConfigOf("").empty());
}

}  // namespace holdfast::etcd
