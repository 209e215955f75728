#include "controller/daemon/config_check.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "common/base/format.h"
#include "common/bus/curve_key.h"
#include "common/io/fd.h"
#include "common/trust/key_file.h"
#include "common/trust/root_document.h"

namespace holdfast::controller {
namespace {

Result<void> CheckRoot(const ControllerSettings& settings) {
  HF_ASSIGN(const Bytes envelope, ReadWholeFile(settings.root_file));
  Result<trust::RootDocument> root = trust::RootDocument::Load(envelope);
  if (!root) return Fail(std::move(root).error().While(Quote(settings.root_file)));
  if (root->cluster() == settings.cluster) return {};
  return settings.values.Invalid(
      "cluster", fmt::format("\"cluster\" is {}; {} belongs to cluster {}", Quote(settings.cluster),
                             Quote(settings.root_file), Quote(root->cluster())));
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
  }
  if (Result<void> state = CheckStateDirectory(settings.state_dir); !state) {
    errors.push_back(state.error());
  }
  return errors;
}

}  // namespace holdfast::controller
