#include "common/io/file_user.h"

#include <grp.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "common/base/format.h"

namespace holdfast {
namespace {

constexpr auto kUnchanged = static_cast<std::uint32_t>(-1);

// The calls return the former id even if they fail, so a second call shows which id is in effect.
bool Set(const FileOwner& owner) {
  (void)::setfsgid(owner.gid);
  (void)::setfsuid(owner.uid);
  return static_cast<std::uint32_t>(::setfsuid(kUnchanged)) == owner.uid &&
         static_cast<std::uint32_t>(::setfsgid(kUnchanged)) == owner.gid;
}

FileOwner Current() {
  return {.uid = static_cast<std::uint32_t>(::setfsuid(kUnchanged)),
          .gid = static_cast<std::uint32_t>(::setfsgid(kUnchanged))};
}

// glibc's function would change all threads of the process.
bool SetGroups(const std::vector<gid_t>& groups) {
  return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

std::vector<gid_t> Groups() {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  return groups;
}

}  // namespace

Result<FileUser> FileUser::Become(const FileOwner& user) {
  FileUser made;
  if (::geteuid() != 0 || user.uid == 0) return made;
  Former former{Current(), Groups()};
  if ((former.groups.empty() || SetGroups({})) && Set(user)) {
    made.former_ = std::move(former);
    return made;
  }
  Restore(former);
  return Fail(ErrorCode::kDenied, fmt::format("root may not access files as user {}", user.uid),
              "the restore helper's unit needs CAP_SETUID and CAP_SETGID, and the system calls "
              "setfsuid, setfsgid and setgroups");
}

void FileUser::Restore(const Former& former) {
  (void)Set(former.owner);
  if (!former.groups.empty()) (void)SetGroups(former.groups);
}

FileUser::~FileUser() {
  if (former_) Restore(*former_);
}

}  // namespace holdfast
