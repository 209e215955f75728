// The user that this process runs as.
#pragma once

#include <string>

#include "common/base/result.h"

namespace holdfast {

struct ServiceUser {
  std::string name;  // the number if the system has no name for it
  unsigned user = 0;
  unsigned group = 0;
};

// kNotFound for an unknown name.
Result<ServiceUser> FindUser(const std::string& name);
ServiceUser UserFromId(unsigned user, unsigned group);

enum class KeptCapabilities {
  kNone,
  kReadAllFiles,  // CAP_DAC_READ_SEARCH, as in holdfast-agent.service; children inherit it
};

// Changes this process to `user`, with the user's groups; it cannot become root again. kDenied
// unless it runs as root. Must be called before threads start that need the kept rights.
Result<void> BecomeUser(const ServiceUser& user, KeptCapabilities kept);

}  // namespace holdfast
