// Compares two catalogs of one cluster: the last copy of a lost one, and the one that was rebuilt
// from repositories and agents.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "common/base/result.h"
#include "controller/catalog/catalog_reader.h"

namespace holdfast::controller {

// Where a difference can be recovered from (docs/catalog.md#what-can-be-recovered).
enum class Recovery : std::uint8_t {
  kRepositories = 0,  // an inventory finds it
  kReports = 1,       // an agent's journal has it for 30 days
  kAgents = 2,        // an agent sends it with each Hello
  kFiles = 3,         // it is stored next to the catalog
  kNothing = 4,       // it never left the controller, or only for a revoked node
  kNewer = 5,         // nothing is lost: it is newer
};
inline constexpr std::size_t kRecoveries = 6;
// "repositories", "reports", "agents", "files", "nothing", "newer".
std::string_view RecoveryName(Recovery recovery);

struct Difference {
  std::string table;
  std::string key;     // of the row, its columns as SQL literals
  std::string column;  // empty: only one of them has the row
  std::string before;  // an SQL literal, at most 80 bytes; of a whole row "there" or ""
  std::string after;
  Recovery recovery = Recovery::kNothing;
};

struct CatalogDifference {
  std::vector<Difference> first;                    // at most 1,000, table by table
  std::array<std::uint64_t, kRecoveries> counts{};  // of all differences, by Recovery
  // Of all differences, by table, column (empty: whole rows) and Recovery.
  std::map<std::tuple<std::string, std::string, Recovery>, std::uint64_t> tallies;
  std::uint64_t count(Recovery recovery) const {
    return counts[static_cast<std::size_t>(recovery)];
  }
};

// Reads both once, row by row, in key order.
Result<CatalogDifference> CompareCatalogs(CatalogReader& before, CatalogReader& after);

}  // namespace holdfast::controller
