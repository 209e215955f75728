#include "common/repository/store/keys.h"

#include <algorithm>
#include <optional>

#include "common/crypto/sha256.h"

namespace holdfast::repository {

Keys::Keys(const OpenedKey& opened, Random& random, const Clock& clock)
    : opened_(opened), random_(random), clock_(clock) {
  constexpr std::string_view kChunkerLabel = "holdfast content chunker v1";
  const Bytes derived =
      crypto::HkdfSha256(opened_.master.encrypt, kChunkerLabel, chunker_key_.size());
  std::ranges::copy(derived, chunker_key_.begin());
}

Result<bool> Keys::IsOpenedBy(ByteView key_file, const Secret& password) const {
  HF_ASSIGN(const std::optional<crypto::SealKey> master, TryKeyFile(key_file, password, random_));
  return master && *master == opened_.master;
}

}  // namespace holdfast::repository
