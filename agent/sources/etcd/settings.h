// The options of an etcd source.
#pragma once

#include <string>
#include <vector>

#include "agent/sources/etcd/connection.h"
#include "agent/sources/member/http_access.h"
#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::etcd {

struct Settings : HttpAccessSettings {
  std::vector<std::string> endpoints;  // no trailing slash; empty: restores only
  std::vector<std::string> files;
  bool kubeadm = false;
  std::string kubernetes_dir;
  std::string kubelet_dir;
};

config::Schema SettingsSchema();
// kInvalidArgument, with the position, if options contradict each other.
Result<Settings> ReadSettings(const config::Values& values);

}  // namespace holdfast::etcd
