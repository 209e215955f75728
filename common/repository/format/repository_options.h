// The options with which a repository is created and opened, and its `config` file.
#pragma once

#include <optional>
#include <string>

#include "common/crypto/scrypt.h"
#include "common/repository/format/types.h"

namespace holdfast::repository {

class KeyCache;

struct InitOptions {
  std::string user;  // stored in the key file
  std::string host;
  // Cost of one password attempt. Unset: N=32768, r=8 and the p from 3 to 5 that takes about 400 ms
  // on this machine. Only tests have a reason to set something cheaper.
  std::optional<crypto::ScryptParameters> scrypt = std::nullopt;
};

// Content of the `config` file.
struct Config {
  int version = 2;
  std::string id;                  // 64 hexadecimal digits
  std::string chunker_polynomial;  // hexadecimal; restic's own chunker needs it, ours does not
};

struct OpenOptions {
  Compression compression = Compression::kAuto;
  // Decrypt each new blob and compare it with its plaintext before it goes into a pack, so that bad
  // memory or a faulty library shows during the backup, not during a restore.
  bool verify_blobs = true;
  // Cache of opened keys; may be null. Used only by Open().
  KeyCache* keys = nullptr;
  // Local directory to cache the index in between runs; empty: no cache. See index_cache.h.
  std::string index_cache;
};

}  // namespace holdfast::repository
