// `holdfast trust rotate`: the next root document. It is made once, then signed where the keys of
// root are, one after the other, until it is enough; a file carries it from one to the next.
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

// What is to be different. Public keys are files in PEM.
struct RootChanges {
  using PersonKey = std::pair<std::string, std::string>;  // person, file of the public key
  std::vector<PersonKey> add_operators;
  std::vector<std::string> remove_operators;  // persons, with all their keys of the role
  std::vector<PersonKey> add_roots;
  std::vector<std::string> remove_roots;
  std::string controller_key_file;  // instead of those there are; empty: they stay
  bool raise_epoch = false;
  std::optional<unsigned> root_threshold;
  std::optional<unsigned> restore_operators;
  std::optional<unsigned> restore_in_place_operators;
  // From now on: the document's, and that of all keys in it.
  unsigned valid_days = 365;

  // Nothing but a longer life.
  bool is_empty() const;
};

// Version + 1 of `current`. kNotFound for a person to be removed who is not there, kAlreadyExists
// for a key that is, kInvalidArgument for what no agent would take.
Result<v1::RootDocument> MakeNextRoot(const trust::RootDocument& current,
                                      const RootChanges& changes, WallTime now);

// What the next document says differently, one line each, for the person who signs it.
std::vector<std::string> RootDifferences(const v1::RootDocument& current,
                                         const v1::RootDocument& next);

// What still lacks.
struct RootSignatures {
  std::vector<std::string> old_persons;  // of the document in force who have signed
  std::vector<std::string> new_persons;  // of the next one
  unsigned old_needed = 0;
  unsigned new_needed = 0;
  bool is_enough() const {
    return old_persons.size() >= old_needed && new_persons.size() >= new_needed;
  }
};

// Reads what was handed round. kCorrupt for what is no root document, kDenied when it is not the
// next one of `current` or one of its signatures is wrong or nobody's.
struct RootProposal {
  v1::RootDocument document;
  RootSignatures signatures;
};
Result<RootProposal> ReadRootProposal(const trust::RootDocument& current, ByteView envelope);

// Of `key` in this document: whose root key it is; kDenied when it is none in either.
Result<std::string> RootPersonOf(const v1::RootDocument& current, const v1::RootDocument& next,
                                 const crypto::SigningKey& key);

}  // namespace holdfast::cli
