// Who this agent is in its cluster: the keys it made and what the controller told it when it
// joined. Lies in `<state_dir>/identity`, which is there whole or not at all, with a journal that
// begins at that moment: what changes later (root document, sequences) is the journal's.
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
  bus::CurvePublicKey server_key{};
  std::string endpoint;  // of the bus
};

// Replaces what is there; durable. Belongs to whoever owns `state_dir`, also when root calls it.
Result<void> SaveIdentity(const std::string& state_dir, const Identity& identity, Random& random);
// kNotFound, with what to do, before the node has joined; kCorrupt names the bad file.
Result<Identity> LoadIdentity(const std::string& state_dir);

}  // namespace holdfast::agent
