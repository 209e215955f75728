// The files without which a kubeadm control plane does not live again, beside etcd's data: keys
// that signed every token and certificate, and the key that etcd's secrets are encrypted with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/etcd/settings.h"
#include "common/stream/manifest.h"

namespace holdfast::etcd {

struct ControlPlaneFiles {
  std::vector<std::string> roots;  // there; a directory stands for all below it
  std::vector<Missing> missing;
};

// Never fails: what is not there, or cannot be looked at, is missing.
ControlPlaneFiles FindControlPlaneFiles(const Settings& settings);

// The value of --encryption-provider-config in kube-apiserver's static manifest; empty without one.
std::string EncryptionConfigOf(std::string_view manifest);

}  // namespace holdfast::etcd
