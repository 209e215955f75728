// Stock restic as installed by scripts/services, independent of the machine's own.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

namespace holdfast::testing {

inline constexpr std::string_view kOldRestic = "restic";    // Debian's, 0.14
inline constexpr std::string_view kNewRestic = "restic19";  // a current one

inline std::string ResticProgram(std::string_view service) {
  const char* services = std::getenv("HOLDFAST_SERVICES");
  return std::string(services != nullptr ? services : HOLDFAST_SERVICES_DEFAULT) + "/" +
         std::string(service) + "/bin/restic";
}

}  // namespace holdfast::testing
