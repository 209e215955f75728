// A decrypted lock.
#include <limits>

#include "common/repository/format/records.h"
#include "common/repository/store/lock.h"
#include "tests/fuzz/target.h"
#include "tests/support/manual_clock.h"

FUZZ_TARGET(lock) {
  using namespace holdfast;
  const Result<repository::LockInfo> lock = repository::DecodeLock(input);
  FUZZ_REQUIRE_CLEAR(lock);
  if (!lock) return false;
  // Otherwise, checking whether the process is alive could address a process group.
  FUZZ_REQUIRE(lock->pid <= static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max()));
  repository::LockOptions options;
  options.holder.host = "this host";
  static const testing::ManualClock clock;
  (void)repository::IsStale(*lock, options, clock);
  FUZZ_REQUIRE(ParseUnixTime(FormatTime(lock->time.seconds, lock->time.nanoseconds)));
  return true;
}
