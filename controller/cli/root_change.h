// `holdfast trust rotate`: the next root document. It is created once, then signed where the root
// keys are, one after another, until there are enough signatures. A file carries it between the
// signers.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/crypto/ed25519.h"
#include "common/trust/root_document.h"

namespace holdfast::cli {

inline constexpr unsigned kValidDaysMax = 3650;  // of a root document and the keys in it

// What to change. Public signing keys are files in PEM.
struct RootChanges {
  using PersonKey = std::pair<std::string, std::string>;  // person, file of the public key
  std::vector<PersonKey> add_operators;
  std::vector<std::string> remove_operators;  // persons; removes all their keys of the role
  std::vector<PersonKey> add_roots;
  std::vector<std::string> remove_roots;
  std::string controller_key_file;  // replaces the current ones; empty: they stay
  std::string bus_key_file;         // the public CURVE key; empty: it stays
  bool raise_epoch = false;
  std::optional<unsigned> root_threshold;
  std::optional<unsigned> restore_operators;
  std::optional<unsigned> restore_in_place_operators;
  // From now on: of the document, and of all keys in it.
  unsigned valid_days = 365;

  // Only extends the validity.
  bool is_empty() const;
};

// Version + 1 of `current`. kNotFound for a person to remove who does not exist, kAlreadyExists for
// a key that already exists, kInvalidArgument for what no agent accepts.
Result<v1::RootDocument> MakeNextRoot(const trust::RootDocument& current,
                                      const RootChanges& changes, WallTime now);

// The bus key, as Z85.
std::string BusKeyText(const v1::RootDocument& document);

// The changes from `current` to `next`, for the person who signs: one line per change, with the old
// and the new value. Covers every field that can change between versions.
std::vector<std::string> RootDifferences(const v1::RootDocument& current,
                                         const v1::RootDocument& next);

// The signatures so far, and how many are needed.
struct RootSignatures {
  std::vector<std::string> old_persons;  // of the document in force who have signed
  std::vector<std::string> new_persons;  // of the next one
  unsigned old_needed = 0;
  unsigned new_needed = 0;
  bool is_enough() const {
    return old_persons.size() >= old_needed && new_persons.size() >= new_needed;
  }
};

// Reads a proposal from another signer. kCorrupt if it is not a root document. kDenied if it does
// not follow `current`, or if a signature is wrong or not by a root key.
struct RootProposal {
  v1::RootDocument document;
  RootSignatures signatures;
};
Result<RootProposal> ReadRootProposal(const trust::RootDocument& current, ByteView envelope);

// The person of the root key `key` in either document; kDenied if it is in neither of them.
Result<std::string> RootPersonOf(const v1::RootDocument& current, const v1::RootDocument& next,
                                 const crypto::SigningKey& key);

}  // namespace holdfast::cli
