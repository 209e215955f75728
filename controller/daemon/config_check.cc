#include "controller/daemon/config_check.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
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
#include "controller/daemon/signing_key.h"

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

// The root documents that the controller has stored, and root_file, by version. The newest is the
// one in force.
std::map<std::uint64_t, trust::RootDocument> KnownRoots(const ControllerSettings& settings) {
  std::map<std::uint64_t, trust::RootDocument> roots;
  std::vector<std::string> files = {settings.root_file};
  std::error_code failure;  // no directory: the controller has never run
  for (const auto& entry :
       std::filesystem::directory_iterator(settings.state_dir + "/roots", failure)) {
    if (entry.path().extension() == ".holdfast") files.push_back(entry.path().string());
  }
  for (const std::string& file : files) {
    // CheckRoot() reports a bad root_file; the controller only warns about other bad files.
    if (const auto root = ReadRoot(file)) roots.insert_or_assign(root->version(), *root);
  }
  return roots;
}

Result<void> CheckBusKey(const ControllerSettings& settings, const trust::BusKey& own) {
  BusKeyVersions versions;
  for (const auto& [version, root] : KnownRoots(settings)) versions[version] = root.bus_key();
  if (versions.empty()) return {};
  HF_TRY(IsFormerBusKey(versions, own, settings.bus_key_file));
  return {};
}

Result<void> CheckOwnSigningKey(const ControllerSettings& settings, const crypto::SigningKey& own,
                                const Clock& clock) {
  const std::map<std::uint64_t, trust::RootDocument> roots = KnownRoots(settings);
  if (roots.empty()) return {};
  Result<void> checked = CheckSigningKey(roots.rbegin()->second, own.id(), clock.Now());
  if (!checked) return Fail(std::move(checked).error().While(Quote(settings.signing_key_file)));
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

std::vector<Error> CheckControllerFiles(const ControllerSettings& settings, const Clock& clock) {
  std::vector<Error> errors;
  if (Result<void> root = CheckRoot(settings); !root) errors.push_back(root.error());
  if (const auto key = trust::ReadSigningKeyFile(settings.signing_key_file); !key) {
    errors.push_back(WithOwnerHint(key.error(), settings.signing_key_file));
  } else if (Result<void> named = CheckOwnSigningKey(settings, *key, clock); !named) {
    errors.push_back(named.error());
  }
  if (const auto keys = bus::LoadCurveKeys(settings.bus_key_file); !keys) {
    errors.push_back(WithOwnerHint(keys.error(), settings.bus_key_file));
  } else if (Result<void> known = CheckBusKey(settings, keys->public_key); !known) {
    errors.push_back(known.error());
  }
  if (Result<void> group = CheckAdminGroup(settings); !group) errors.push_back(group.error());
  if (const auto rights = AdminRights::Resolve(settings); !rights) {
    errors.push_back(rights.error());
  }
  if (Result<void> state = CheckStateDirectory(settings.state_dir); !state) {
    errors.push_back(state.error());
  }
  return errors;
}

}  // namespace holdfast::controller
