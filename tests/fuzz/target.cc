#include "tests/fuzz/target.h"

namespace holdfast::fuzz {

std::vector<Target>& Targets() {
  static std::vector<Target> targets;
  return targets;
}

}  // namespace holdfast::fuzz
