#include "common/io/file_user.h"

#include <sys/fsuid.h>
#include <unistd.h>

#include <cstdint>

#include "common/base/format.h"

namespace holdfast {
namespace {

constexpr auto kUnchanged = static_cast<std::uint32_t>(-1);

// The calls return the former id even if they fail, so a second one tells what holds now.
bool Set(const FileOwner& owner) {
  // The group first: without root's id, the thread may not change it.
  (void)::setfsgid(owner.gid);
  (void)::setfsuid(owner.uid);
  return static_cast<std::uint32_t>(::setfsuid(kUnchanged)) == owner.uid &&
         static_cast<std::uint32_t>(::setfsgid(kUnchanged)) == owner.gid;
}

FileOwner Current() {
  return {.uid = static_cast<std::uint32_t>(::setfsuid(kUnchanged)),
          .gid = static_cast<std::uint32_t>(::setfsgid(kUnchanged))};
}

}  // namespace

Result<FileUser> FileUser::Become(const FileOwner& user) {
  FileUser made;
  if (::geteuid() != 0 || user.uid == 0) return made;
  const FileOwner former = Current();
  if (Set(user)) {
    made.former_ = former;
    return made;
  }
  (void)Set(former);
  return Fail(ErrorCode::kDenied, fmt::format("root may not access files as user {}", user.uid),
              "the restore helper's unit needs CAP_SETUID and CAP_SETGID, and the system calls "
              "setfsuid and setfsgid");
}

FileUser::~FileUser() {
  if (former_) (void)Set(*former_);
}

}  // namespace holdfast
