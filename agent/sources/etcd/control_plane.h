// Finds the files that a kubeadm control plane needs besides etcd's data: the keys that signed all
// tokens and certificates, and the key that encrypts secrets in etcd.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/etcd/settings.h"
#include "common/stream/manifest.h"

namespace holdfast::etcd {

struct ControlPlaneFiles {
  std::vector<std::string> roots;  // existing files and directories
  std::vector<Missing> missing;
};

// Never fails: files that do not exist or cannot be inspected are in `missing`.
ControlPlaneFiles FindControlPlaneFiles(const Settings& settings);

// The value of --encryption-provider-config in kube-apiserver's static manifest; empty if not set.
std::string EncryptionConfigOf(std::string_view manifest);

}  // namespace holdfast::etcd
