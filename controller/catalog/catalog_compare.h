// What two catalogs of one cluster say differently: the one that was lost, in its last copy, and
// the one that was made anew from repositories and agents.
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

// Where what differs can be had again from (docs/catalog.md#what-can-be-recovered).
enum class Recovery : std::uint8_t {
  kRepositories = 0,  // an inventory finds it
  kReports = 1,       // an agent's journal tells of it for 30 days
  kAgents = 2,        // an agent says it whenever it says Hello
  kFiles = 3,         // it lies beside the catalog
  kNothing = 4,       // it never left the controller, or only for a node that is revoked
  kNewer = 5,         // nothing is lost: it came later
};
inline constexpr std::size_t kRecoveries = 6;
// "repositories", "reports", "agents", "files", "nothing", "newer".
std::string_view RecoveryName(Recovery recovery);

struct Difference {
  std::string table;
  std::string key;     // of the row, its columns as SQL writes them
  std::string column;  // empty: the whole row is in one of them only
  std::string before;  // as SQL writes it, at most 80 letters; of a whole row "there" or ""
  std::string after;
  Recovery recovery = Recovery::kNothing;
};

struct CatalogDifference {
  std::vector<Difference> first;                    // at most 1,000, table by table
  std::array<std::uint64_t, kRecoveries> counts{};  // of all, by Recovery
  // Of all, by table, column (empty: whole rows) and Recovery.
  std::map<std::tuple<std::string, std::string, Recovery>, std::uint64_t> tallies;
  std::uint64_t count(Recovery recovery) const {
    return counts[static_cast<std::size_t>(recovery)];
  }
};

// Reads both once, row by row, in the order of their keys.
Result<CatalogDifference> CompareCatalogs(CatalogReader& before, CatalogReader& after);

}  // namespace holdfast::controller
