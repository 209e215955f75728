// The name of this host.
#pragma once

#include <string>

namespace holdfast {

// gethostname(2), or "localhost" if it is not set.
std::string HostName();

}  // namespace holdfast
