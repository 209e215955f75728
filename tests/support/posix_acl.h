// POSIX ACLs as the kernel encodes them in extended attributes.
#pragma once

#include <array>
#include <cstdint>

namespace holdfast::testing {

// The value of "system.posix_acl_access" or "system.posix_acl_default" that also has an entry for
// user 4321. Permissions are 4, 2 and 1 for reading, writing and executing.
inline std::array<std::uint8_t, 44> AclWithUser4321(std::uint8_t owner, std::uint8_t user,
                                                    std::uint8_t group, std::uint8_t mask,
                                                    std::uint8_t others) {
  constexpr std::uint8_t kNone = 0xff;
  // Version 2, then tag, permissions and user.
  return {2,    0, 0,      0,                              //
          0x01, 0, owner,  0, kNone, kNone, kNone, kNone,  //
          0x02, 0, user,   0, 0xe1,  0x10,  0,     0,      //
          0x04, 0, group,  0, kNone, kNone, kNone, kNone,  //
          0x10, 0, mask,   0, kNone, kNone, kNone, kNone,  //
          0x20, 0, others, 0, kNone, kNone, kNone, kNone};
}

}  // namespace holdfast::testing
