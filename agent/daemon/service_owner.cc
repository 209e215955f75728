#include "agent/daemon/service_owner.h"

#include <unistd.h>

#include <optional>
#include <string_view>
#include <utility>

#include "agent/journal/helper_directory.h"
#include "common/base/format.h"
#include "common/base/log.h"
#include "common/io/ownership.h"
#include "common/service/privileges.h"

namespace holdfast::agent {
namespace {

constexpr std::string_view kFileUrl = "file:";
// A repository is at most as deep as "data/xx/file".
constexpr unsigned kRepositoryDepth = 3;

std::string LocalPath(std::string_view url) {
  return url.starts_with(kFileUrl) ? std::string(url.substr(kFileUrl.size())) : std::string();
}

}  // namespace

std::optional<FileOwner> ServiceOwner(const std::string& state_dir) {
  if (::geteuid() != 0) return {};
  Result<FileOwner> owner = OwnerOfFile(state_dir);
  if (!owner || owner->uid == 0) return {};
  return *owner;
}

Result<void> BecomeOwnerOfState(const std::string& state_dir) {
  const std::optional<FileOwner> owner = ServiceOwner(state_dir);
  if (!owner) return {};
  const ServiceUser user = UserFromId(owner->uid, owner->gid);
  Log(LogLevel::kInfo, "switch from root to user {}, the owner of {}", user.name, state_dir);
  Result<void> done = BecomeUser(user, KeptCapabilities::kReadAllFiles);
  if (done) return {};
  return Fail(std::move(done).error().WithHint(
      fmt::format("run it as the agent's user: runuser -u {} -- holdfast-agent ...", user.name)));
}

std::string OwnStateDirectory(const std::string& state_dir) {
  return ServiceOwner(state_dir) ? HelperDirectory(state_dir) : state_dir;
}

Result<void> ChownNewRepository(const AgentSettings& settings, const std::string& url,
                                const std::string& password_file) {
  const std::optional<FileOwner> owner = ServiceOwner(settings.state_dir);
  if (!owner) return {};
  if (!password_file.empty()) HF_TRY(ChownRootFiles(password_file, *owner, 0));
  const std::string path = LocalPath(url);
  return path.empty() ? Result<void>{} : ChownRootFiles(path, *owner, kRepositoryDepth);
}

}  // namespace holdfast::agent
