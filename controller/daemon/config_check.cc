#include "controller/daemon/config_check.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/bus/curve_key.h"
#include "common/io/fd.h"
#include "common/trust/key_file.h"
#include "common/trust/root_document.h"
#include "controller/daemon/admin_rights.h"
#include "controller/daemon/bus_key.h"

namespace holdfast::controller {
namespace {

Result<trust::RootDocument> ReadRoot(const std::string& path) {
  HF_ASSIGN(const Bytes envelope, ReadWholeFile(path));
  Result<trust::RootDocument> root = trust::RootDocument::Load(envelope);
  if (!root) return Fail(std::move(root).error().While(Quote(path)));
  return root;
}

Result<void> CheckRoot(const ControllerSettings& settings) {
  HF_ASSIGN(const trust::RootDocument root, ReadRoot(settings.root_file));
  if (root.cluster() == settings.cluster) return {};
  return settings.values.Invalid(
      "cluster", fmt::format("\"cluster\" is {}; {} belongs to cluster {}", Quote(settings.cluster),
                             Quote(settings.root_file), Quote(root.cluster())));
}

// Compares the bus key with the root documents that the controller has stored, and with root_file.
Result<void> CheckBusKey(const ControllerSettings& settings, const trust::BusKey& own) {
  BusKeyVersions versions;
  std::vector<std::string> files = {settings.root_file};
  std::error_code failure;  // no directory: the controller has never run
  for (const auto& entry :
       std::filesystem::directory_iterator(settings.state_dir + "/roots", failure)) {
    if (entry.path().extension() == ".holdfast") files.push_back(entry.path().string());
  }
  for (const std::string& file : files) {
    // CheckRoot() reports a bad root_file; the controller only warns about other bad files.
    if (const auto root = ReadRoot(file)) versions[root->version()] = root->bus_key();
  }
  if (versions.empty()) return {};
  HF_TRY(IsFormerBusKey(versions, own, settings.bus_key_file));
  return {};
}

Result<void> CheckStateDirectory(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return {};  // created by the first run
  if (::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0) return {};
  return Fail(ErrnoError(errno, "write to the state directory " + Quote(path)));
}

Error WithOwnerHint(Error error, const std::string& path) {
  if (error.code() != ErrorCode::kDenied) return error;
  return std::move(error).WithHint(
      fmt::format("the controller's user must be able to read it: "
                  "chown holdfast-controller: {0} && chmod 600 {0}",
                  path));
}

}  // namespace

std::vector<Error> CheckControllerFiles(const ControllerSettings& settings) {
  std::vector<Error> errors;
  if (Result<void> root = CheckRoot(settings); !root) errors.push_back(root.error());
  if (const auto key = trust::ReadSigningKeyFile(settings.signing_key_file); !key) {
    errors.push_back(WithOwnerHint(key.error(), settings.signing_key_file));
  }
  if (const auto keys = bus::LoadCurveKeys(settings.bus_key_file); !keys) {
    errors.push_back(WithOwnerHint(keys.error(), settings.bus_key_file));
  } else if (Result<void> known = CheckBusKey(settings, keys->public_key); !known) {
    errors.push_back(known.error());
  }
  if (const auto rights = AdminRights::Resolve(settings); !rights) {
    errors.push_back(rights.error());
  }
  if (Result<void> state = CheckStateDirectory(settings.state_dir); !state) {
    errors.push_back(state.error());
  }
  return errors;
}

}  // namespace holdfast::controller
