// Files that contain a secret.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast {

// kDenied if group or others have access to the file, with the chmod as the hint; `what` names it,
// e.g. "secret key". A systemd credential has an ACL for the service's user, which appears as group
// bits, so with an ACL only the rights of others count. Pipes and terminals pass. Otherwise errors
// of stat().
Result<void> CheckSecretMode(const std::string& path, std::string_view what);

}  // namespace holdfast
