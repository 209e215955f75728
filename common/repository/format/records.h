// The small JSON files of a repository: key, config and lock.
// Fields: docs/repository-format.md#key, #config, #locks.
#pragma once

#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/crypto/scrypt.h"
#include "common/crypto/seal.h"
#include "common/repository/format/lock_info.h"
#include "common/repository/format/repository_options.h"

namespace holdfast::repository {

// Larger files of these kinds are not read.
inline constexpr std::uint64_t kRecordBytesMax = 1U << 20;

struct KeyRecord {
  WallTime created;
  std::string user;
  std::string host;
  crypto::ScryptParameters scrypt;
  Bytes salt;
  Bytes data;  // the sealed master key
};
std::string EncodeKey(const KeyRecord& key);
Result<KeyRecord> DecodeKey(ByteView json);

std::string EncodeMasterKey(const crypto::SealKey& key);
Result<crypto::SealKey> DecodeMasterKey(ByteView json);

std::string EncodeConfig(const Config& config);
// kCorrupt; kUnsupported for a version other than 2.
Result<Config> DecodeConfig(ByteView json);

struct LockRecord {
  WallTime time;
  bool exclusive = false;
  LockHolder holder;
};
std::string EncodeLock(const LockRecord& lock);
Result<LockInfo> DecodeLock(ByteView json);

}  // namespace holdfast::repository
