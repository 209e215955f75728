// Files that hold a secret.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast {

// kDenied where group or others have any right to the file, with the chmod as the hint; `what`
// names it, e.g. "secret key". An access list gives a systemd credential to the service's user and
// shows up as the group's bits, so only the rights of others count then. Pipes and terminals pass.
// Errors of stat() otherwise.
Result<void> CheckSecretMode(const std::string& path, std::string_view what);

}  // namespace holdfast
