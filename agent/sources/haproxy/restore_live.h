// Restores state that only the running HAProxy had (live_state.h): each map and list in one
// transaction, stick tables row by row. Server state is not set through the API: HAProxy loads it
// from a file when it starts (state_files.h).
//
// State that HAProxy does not let clients set is reported: rates, times to live, and what it
// refuses for a table's type. Any other failure is an error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/haproxy/parse_live_texts.h"
#include "agent/sources/haproxy/runtime_api.h"
#include "common/base/result.h"
#include "common/stream/item.h"

namespace holdfast::haproxy {

// The parts of live.json that a restore needs.
struct StoredPatterns {
  std::string kind;    // "map" or "acl"
  std::string file;    // as the configuration names it; empty for an inline list
  std::string path;    // below the live state's directory
  std::string sha256;  // of its entries
  // Of a list without a file.
  std::uint64_t id = 0;
  std::string place;
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
  std::string directory;
  std::vector<StoredPatterns> patterns;
  std::vector<StoredTable> tables;
  bool operator==(const StoredWorker&) const = default;
};
struct SavedRuntimeState {
  std::vector<StoredWorker> workers;  // never empty
  // Configuration files had changed after HAProxy read them, so its state belongs to no saved
  // configuration.
  bool is_of_other_configuration = false;
  bool operator==(const SavedRuntimeState&) const = default;
};
// kCorrupt if it is malformed, kUnsupported if a newer format wrote it.
Result<SavedRuntimeState> DecodeLive(std::string_view json);

// Opens a file below the directory of the live state.
using OpenLive = std::function<Result<std::unique_ptr<ByteReader>>(const std::string& path)>;

// Reads a small file; kCorrupt if it is larger than `bytes_max`.
Result<std::string> ReadLive(const OpenLive& open, const std::string& path, std::size_t bytes_max);

struct LiveChanges {
  std::vector<std::string> done;  // in words
  std::vector<std::string> left;  // what was not restored, and why
};

// Restores the workers of `api` one after the other. Each gets the state of the stored worker with
// the same number, or else of the first one. Errors of the socket, such as kUnavailable; kInternal
// if what was set cannot be read back.
Result<void> RestoreRuntimeState(const RuntimeApi& api, const SavedRuntimeState& live,
                                 const OpenLive& open, LiveChanges& changes);

// Servers whose administrative state, weight or address differs from `wanted`, in words.
std::vector<std::string> ServersThatDiffer(const std::vector<ServerState>& wanted,
                                           const std::vector<ServerState>& now);

}  // namespace holdfast::haproxy
