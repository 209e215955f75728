// What this machine is called.
#pragma once

#include <string>

namespace holdfast {

// gethostname(2), or "localhost" where it has no name.
std::string HostName();

}  // namespace holdfast
