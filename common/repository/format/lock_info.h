// A lock as its file describes it.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/clock.h"
#include "common/repository/format/types.h"

namespace holdfast::repository {

struct LockInfo {
  Id id;
  UnixTime time;
  bool exclusive = false;
  std::string host;
  std::string user;
  std::uint32_t pid = 0;
};

// A lock's holder. Stock restic removes a dead lock only if host and pid are real.
struct LockHolder {
  std::string host;
  std::string user;
  std::uint32_t pid = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  // Describes this process.
  static LockHolder Self();
};

}  // namespace holdfast::repository
