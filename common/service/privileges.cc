#include "common/service/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "common/base/format.h"

namespace holdfast {
namespace {

constexpr std::size_t kAccountBytesMax = 64U << 10;

Result<void> KeepReadAllFiles() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) {
    return Fail(ErrnoError(errno, "read this process's capabilities"));
  }
  // A container's root may not have the capability.
  const __u32 kept = sets[0].permitted & (1U << CAP_DAC_READ_SEARCH);
  sets = {};
  sets[0] = {.effective = kept, .permitted = kept, .inheritable = kept};
  if (::syscall(SYS_capset, &header, sets.data()) != 0) {
    return Fail(ErrnoError(errno, "set this process's capabilities"));
  }
  if (kept != 0 && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) != 0) {
    return Fail(ErrnoError(errno, "set this process's ambient capabilities"));
  }
  return {};
}

Result<void> SetGroups(const ServiceUser& user) {
  const bool has_name = user.name != std::to_string(user.user);
  const int done = has_name ? ::initgroups(user.name.c_str(), user.group) : ::setgroups(0, nullptr);
  if (done == 0) return {};
  return Fail(ErrnoError(errno, "set the groups of user " + Quote(user.name)));
}

}  // namespace

Result<ServiceUser> FindUser(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(kAccountBytesMax);
  (void)::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) {
    return Fail(ErrorCode::kNotFound, fmt::format("user {} not found on this machine", Quote(name)),
                "systemd-sysusers creates the users of the units");
  }
  return ServiceUser{.name = name, .user = found->pw_uid, .group = found->pw_gid};
}

ServiceUser UserFromId(unsigned user, unsigned group) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(kAccountBytesMax);
  (void)::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found);
  return {.name = found == nullptr ? std::to_string(user) : std::string(found->pw_name),
          .user = user,
          .group = group};
}

Result<void> BecomeUser(const ServiceUser& user, KeptCapabilities kept) {
  if (::geteuid() != 0) {
    return Fail(ErrorCode::kDenied,
                fmt::format("this process cannot become user {}: it does not run as root",
                            Quote(user.name)),
                "run it as root");
  }
  const bool keeps = kept == KeptCapabilities::kReadAllFiles;
  if (keeps && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) {
    return Fail(ErrnoError(errno, "keep capabilities"));
  }
  HF_TRY(SetGroups(user));
  if (::setresgid(user.group, user.group, user.group) != 0 ||
      ::setresuid(user.user, user.user, user.user) != 0) {
    return Fail(ErrnoError(errno, "become user " + Quote(user.name)));
  }
  return keeps ? KeepReadAllFiles() : Result<void>{};
}

}  // namespace holdfast
