// Describes the snapshots of a kind of source for command lines and documentation. The agent's
// kinds declare it (agent/sources/source.h). The operators' program has a table of all kinds,
// generated from these declarations at build time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/method.h"
#include "common/config/reader.h"

namespace holdfast::config {

struct SnapshotKind {
  std::string kind;             // "files"
  std::string summary;          // one line
  std::string original_root;    // see common/stream/original_path.h
  bool is_of_one_node = false;  // all files of a snapshot are from the node that created it
  std::vector<MethodSchema> methods;
  std::string no_in_place;  // why no method restores in place
};

// Null if `kinds` has no such kind.
const SnapshotKind* FindKind(const std::vector<SnapshotKind>& kinds, std::string_view kind);

// kInvalidArgument for an option in `given` that no method of `kind` has. The hint names the kinds
// and methods of `kinds` that have it, or else the most similar option of `kind`.
Result<void> CheckOptionsOfKind(const std::vector<SnapshotKind>& kinds, const SnapshotKind& kind,
                                const OptionNames& given);

// Whether an order may set it. Orders carry text, and only root decides where files are written.
bool MayBeOrdered(const OptionSpec& option);

// The values of options that a user typed. kInvalidArgument for a wrong value, and for several
// values of an option that takes one. REQUIRES: the schema has every option in `texts`.
Result<Values> ReadTexts(const OptionTexts& texts, const Schema& schema,
                         const ReadContext& context);

}  // namespace holdfast::config
