// What to restore, and where.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/method.h"
#include "common/config/schema.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::jobs {

// The snapshot that a signed order means: docs/protocol.md#bound-orders. RunRestore() compares it
// with the snapshot in the repository, and fails with kDenied before it changes anything.
struct OrderedSnapshot {
  std::string source;  // "kind/name"; empty: Holdfast did not make the snapshot
  std::string host;
  std::string run;           // empty: Holdfast did not make the snapshot
  std::int64_t time_ms = 0;  // not before 1970
  bool is_safety = false;
  // Set if the order asks for the newest snapshot of this source and host. Then there must be no
  // newer one that the rule accepts, except those made after `issued_ms`.
  std::optional<repository::LatestRule> newest = std::nullopt;
  std::int64_t issued_ms = 0;  // when the order was issued; not before 1970
};

enum class RestoreMode : std::uint8_t {
  kDirectory,  // any directory that the local user names
  kStaging,    // below a restore root of the node's policy
  kInPlace,
  kMethod,  // with a one-shot method of the kind
};

struct RestoreOptions {
  std::string selector;  // as FindSnapshot takes it
  RestoreMode mode = RestoreMode::kDirectory;
  // kInPlace: if the service's own checker rejects the content, warn instead of failing.
  bool allow_invalid = false;
  // kInPlace: `selector` names a source or a safety snapshot, see FindSafetySnapshot().
  bool undo = false;
  // Set for a signed order; nullopt: a local user chose the snapshot.
  std::optional<OrderedSnapshot> ordered = std::nullopt;
  std::string root;       // kStaging: absolute; must exist
  std::string directory;  // kDirectory: absolute; kStaging: relative to the root
  // kDirectory, kStaging, kInPlace: restore only this path of the snapshot; empty: everything.
  std::string path;
  // kDirectory: restore only what these select, see repository::PathFilter. A pattern that selects
  // nothing is kNotFound. `overwrite` says what happens to existing files. If unset, the directory
  // must be new or empty, or hold an unfinished restore of the same content, which is resumed.
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  std::optional<Overwrite> overwrite = std::nullopt;
  bool delete_extraneous = false;  // with `overwrite`
  std::uint32_t strip = 0;  // kDirectory: leading components to leave out, see StrippedPrefix()
  // Changes nothing. kDirectory reports planned changes to `on_change`, kInPlace and kMethod in
  // `plan`.
  bool dry_run = false;
  std::function<Result<void>(const ExtractChange&)> on_change = nullptr;
  bool safety_snapshot = true;  // kInPlace, kMethod
  // kMethod: the method's name, e.g. "to-cluster"; empty: selected by the options.
  std::string method;
  // The method's options as given, e.g. "stage_data_dir" -> text; lists have several texts.
  config::OptionTexts kind_options;
  config::Values fixed_options;   // already parsed; may not be in `kind_options`
  std::string working_directory;  // for relative paths in kind_options
};

}  // namespace holdfast::jobs
