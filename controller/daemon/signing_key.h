// The controller's signing key and the root document in force. `trust rotate --controller-key`
// replaces the key in the document before the new secret key is on the controller's host. Until it
// is, agents refuse everything that the controller signs. docs/howto/rotate-a-key.md.
#pragma once

#include <optional>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/trust/root_document.h"
#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::controller {

// kDenied unless the key with the id `own` may sign plans at `now`.
Result<void> CheckSigningKey(const trust::RootDocument& root, const crypto::KeyId& own,
                             WallTime now);

// The problem that `status` shows as long as agents refuse the key. nullopt if the document has
// expired, which is a separate problem.
std::optional<v1::Problem> SigningKeyProblem(const trust::RootDocument& root,
                                             const crypto::KeyId& own, WallTime now);

}  // namespace holdfast::controller
