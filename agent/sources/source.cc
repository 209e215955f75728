#include "agent/sources/source.h"

namespace holdfast {

std::string_view TopologyName(Topology topology) {
  switch (topology) {
    case Topology::kLocal:
      return "local";
    case Topology::kReplicated:
      return "replicated";
    case Topology::kSharded:
      return "sharded";
  }
  return "local";
}

Result<std::vector<std::string>> Source::RestoreSpecial(const RestoreSpec& spec, Progress& progress,
                                                        std::stop_token stop) {
  (void)spec;
  (void)progress;
  (void)stop;
  return Fail(ErrorCode::kUnsupported, "this kind of source has no such way of restoring",
              "restore with --to DIR");
}

}  // namespace holdfast
