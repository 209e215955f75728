// What agent.yaml says of an etcd source.
#pragma once

#include <string>
#include <vector>

#include "agent/sources/etcd/connection.h"
#include "agent/sources/http_access.h"
#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::etcd {

struct Settings : HttpAccessSettings {
  std::vector<std::string> endpoints;  // without a slash at the end; empty: only good for restores
  std::vector<std::string> files;
  bool kubeadm = false;
  std::string kubernetes_dir;
  std::string kubelet_dir;
};

config::Schema SettingsSchema();
// kInvalidArgument, with its place, for what makes no sense together.
Result<Settings> ReadSettings(const config::Values& values);
// Reads the password and makes sure that the TLS files can be read. Errors name the file.
Result<Access> ReadAccess(const Settings& settings);

}  // namespace holdfast::etcd
