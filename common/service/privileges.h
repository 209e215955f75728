// Which user this process runs as.
#pragma once

#include <string>

#include "common/base/result.h"

namespace holdfast {

struct ServiceUser {
  std::string name;  // the number where the system knows no name
  unsigned user = 0;
  unsigned group = 0;
};

// kNotFound for a name that the system does not know.
Result<ServiceUser> FindUser(const std::string& name);
ServiceUser UserOfNumber(unsigned user, unsigned group);

enum class KeptRights {
  kNone,
  kReadAllFiles,  // CAP_DAC_READ_SEARCH, as holdfast-agent.service gives it; children have it, too
};

// This process becomes `user`, with the user's groups, and cannot become root again. kDenied unless
// it runs as root. Must be called before threads start that need the kept rights.
Result<void> BecomeUser(const ServiceUser& user, KeptRights kept);

}  // namespace holdfast
