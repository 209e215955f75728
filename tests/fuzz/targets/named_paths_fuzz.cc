// Configurations of Prometheus and Alertmanager, which are untrusted.
#include "agent/sources/member/kingpin_flags.h"
#include "agent/sources/member/referenced_files.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(named_paths) {
  using namespace holdfast;
  (void)ParseDuration(AsText(input));
  const auto named = FindReferencedPaths(AsText(input), "/etc/p/p.yml");
  FUZZ_REQUIRE(named || named.error().code() == ErrorCode::kInvalidArgument);
  if (!named) return false;
  for (const ReferencedPath& one : *named) FUZZ_REQUIRE(one.path.starts_with('/'));
  return !named->empty();
}
