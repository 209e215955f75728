// This agent's identity in its cluster: the keys that it made, and what the controller assigned
// when it joined. Stored in `<state_dir>/identity`, which is complete or missing, with a new
// journal. The journal stores what changes later, such as the root document and sequences.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/bytes.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"
#include "common/crypto/ed25519.h"

namespace holdfast::agent {

struct Identity {
  std::string node;
  std::uint64_t incarnation = 0;
  Bytes root;  // Envelope of the root document at the time of joining
  crypto::SigningKey signing_key;
  bus::CurveKeys curve;
  std::string endpoint;  // bus endpoint
};

// Writes trial files in the same way as SaveIdentity(), and removes them. Joining uses up the token
// before the new identity is stored, so this checks in advance that it can be stored.
Result<void> CheckIdentityCanBeSaved(const std::string& state_dir);
// Replaces an existing identity, durably. The files belong to the owner of `state_dir`, even if
// root calls it.
Result<void> SaveIdentity(const std::string& state_dir, const Identity& identity, Random& random);
// kNotFound, with a hint, if the node has not joined. kCorrupt names the bad file.
Result<Identity> LoadIdentity(const std::string& state_dir);

}  // namespace holdfast::agent
