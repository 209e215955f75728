// Ensures that no plan starts twice. docs/protocol.md#order-of-checks, row "replay".
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/crypto/ed25519.h"

namespace holdfast::trust {

enum class ReplayVerdict : std::uint8_t {
  kNew,         // unknown id and sequence, above the floor
  kKnown,       // judged before, with the same bytes: starts nothing, reports are sent again
  kOtherBytes,  // its id or its sequence belongs to a plan with other bytes: refused
  kBelowFloor,  // unknown, and not above the highest sequence that was forgotten: refused
};

// The plans that a verifier has accepted. Sequences count per controller key.
class ReplayGuard {
 public:
  virtual ~ReplayGuard() = default;
  // `hash` is the SHA-256 of the plan's payload.
  virtual ReplayVerdict Judge(const crypto::KeyId& controller_key, ByteView plan_id,
                              std::uint64_t sequence, const crypto::Digest& hash) const = 0;
};

// A guard in memory. It has the rules; its owner stores the records. One thread at a time.
class KnownPlans final : public ReplayGuard {
 public:
  struct Record {
    crypto::KeyId controller_key{};
    std::string plan_id;
    std::uint64_t sequence = 0;
    crypto::Digest hash{};
    std::int64_t expires_at_ms = 0;
  };

  ReplayVerdict Judge(const crypto::KeyId& controller_key, ByteView plan_id, std::uint64_t sequence,
                      const crypto::Digest& hash) const override;

  // REQUIRES: Judge() returns kNew or kKnown for it.
  void Add(Record record);
  // Sets a floor that was stored. Floors only rise.
  void RaiseFloor(const crypto::KeyId& controller_key, std::uint64_t floor);
  // Forgets plans that expired more than kPlanLifeMax and the allowance ago, and raises the floors
  // to their sequences. Returns how many.
  std::size_t Forget(WallTime now);

  const std::map<std::string, Record>& records() const { return records_; }
  const std::map<crypto::KeyId, std::uint64_t>& floors() const { return floors_; }

 private:
  std::map<std::string, Record> records_;  // by plan id
  std::set<std::pair<crypto::KeyId, std::uint64_t>> sequences_;
  std::map<crypto::KeyId, std::uint64_t> floors_;
};

}  // namespace holdfast::trust
