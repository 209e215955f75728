// Puts back into a running HAProxy what only it knew when it was saved (live_state.h): maps and
// lists in one step each, stick tables row by row. Servers' state is not said but loaded, from a
// file, when HAProxy starts anew (state_files.h).
//
// What HAProxy gives no way to set is told, not tried: rates, times to live, and what it refuses
// for a table's type. Everything else that does not come about is an error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/haproxy/live_texts.h"
#include "agent/sources/haproxy/runtime_api.h"
#include "common/base/result.h"
#include "common/stream/item.h"

namespace holdfast::haproxy {

// live.json, as far as a restore needs it.
struct StoredPatterns {
  std::string kind;    // "map" or "acl"
  std::string file;    // as the configuration names it; empty: it stands in the configuration
  std::string path;    // below the live state's directory
  std::string sha256;  // of its entries
  // Of a list without a file.
  std::uint64_t id = 0;
  std::string place = {};
  bool operator==(const StoredPatterns&) const = default;
};
struct StoredTable {
  std::string name;
  std::string type;
  std::string path;
  std::uint64_t rows = 0;
  bool operator==(const StoredTable&) const = default;
};
struct StoredWorker {
  std::string directory = {};
  std::vector<StoredPatterns> patterns = {};
  std::vector<StoredTable> tables = {};
  bool operator==(const StoredWorker&) const = default;
};
struct StoredLive {
  std::vector<StoredWorker> workers;  // never empty
  // Files of the configuration were others than HAProxy had read: what it knew belongs to no
  // configuration that was saved.
  bool is_of_other_configuration = false;
  bool operator==(const StoredLive&) const = default;
};
// kCorrupt when it is no such document, kUnsupported when a newer format wrote it.
Result<StoredLive> DecodeLive(std::string_view json);

// Opens a file below the live state's directory.
using OpenLive = std::function<Result<std::unique_ptr<ByteReader>>(const std::string& path)>;

// A whole small file; kCorrupt when it is larger than `bytes_max`.
Result<std::string> ReadLive(const OpenLive& open, const std::string& path, std::size_t bytes_max);

struct LiveChanges {
  std::vector<std::string> done;  // in words
  std::vector<std::string> left;  // what is not as it was, and why
};

// One worker of `api` after the other; each gets what the stored worker of the same number had, or
// the first one's. kUnavailable and its like from the socket; kInternal when what was set cannot be
// read back.
Result<void> PutBackLive(const RuntimeApi& api, const StoredLive& live, const OpenLive& open,
                         LiveChanges& changes);

// Servers whose administrative state, weight or address is not that of `wanted`: of each, in words.
std::vector<std::string> ServersThatDiffer(const std::vector<ServerState>& wanted,
                                           const std::vector<ServerState>& now);

}  // namespace holdfast::haproxy
