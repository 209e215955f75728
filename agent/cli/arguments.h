// What the command line asks for. CLI11 stays in arguments.cc and repository_arguments.cc.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/source.h"
#include "common/repository/check.h"
#include "common/repository/prune.h"
#include "common/repository/retention.h"
#include "common/repository/tree_stats.h"
#include "common/service/logging.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::cli {

enum class Verb : std::uint8_t {
  kRepositoryInit,
  kRepositoryForget,
  kRepositoryLockList,
  kRepositoryUnlock,
  kRepositoryKeyList,
  kRepositoryKeyAdd,
  kRepositoryKeyPasswd,
  kRepositoryKeyRemove,
  kRepositoryInfo,
  kRepositoryStats,
  kRepositoryLs,
  kRepositoryDump,
  kRepositoryFind,
  kRepositoryDiff,
  kRepositoryRepairIndex,
  kRepositoryRepairPacks,
  kRepositoryPrune,
  kRepositoryCopy,
  kSourceList,
  kBackup,
  kList,
  kRestore,
  kExport,
  kImport,
  kCheck,
  kConfigCheck,
  kConfigShow,
  kJoin,
  kRun,
  kRestoreHelper,
};
// As people type it: "repository init".
std::string_view VerbName(Verb verb);

struct Arguments {
  Verb verb = Verb::kList;
  std::string config;  // --config, or its default
  bool json = false;
  std::optional<LogLevel> log_level;
  LogTarget log_target = LogTarget::kAuto;

  std::string repository;      // a name in agent.yaml
  std::string repository_url;  // instead of agent.yaml, with password_file
  std::string password_file;

  std::vector<std::string> selectors;  // source list, backup, list
  bool discover = false;               // source list
  bool with_safety = false;            // list
  std::string note;                    // backup
  bool rehash = false;                 // likewise

  std::string snapshot;  // restore, repository ls and dump, and what follows
  std::string to;
  std::string path;
  bool in_place = false;
  bool undo = false;
  bool safety_snapshot = true;
  repository::LatestRule latest;     // of every verb that takes a snapshot; and restore --in-place
  std::vector<std::string> include;  // restore, with `to`
  std::vector<std::string> exclude;  // likewise
  std::optional<Overwrite> overwrite;                            // likewise
  bool remove_others = false;                                    // likewise
  std::map<std::string, std::vector<std::string>> kind_options;  // "stage_data_dir" -> text

  bool read_data = false;              // check
  repository::ReadSubset read_subset;  // likewise

  std::vector<std::string> snapshots;  // repository forget, stats, diff and copy

  // repository forget
  repository::RetentionPolicy policy;
  repository::SnapshotGrouping grouping;
  std::string source;    // "kind/name", * allowed; empty: all
  bool dry_run = false;  // and restore
  bool allow_below_floor = false;
  std::optional<unsigned> min_keep;  // else as the repository's settings

  bool remove_all = false;             // repository unlock
  std::chrono::seconds retry_lock{0};  // of what locks a repository

  std::string key;                // repository key remove: the beginning of an id
  std::string new_password_file;  // repository key add and passwd

  repository::StatsMode stats_mode = repository::StatsMode::kRestoreSize;
  bool recursive = false;          // repository ls
  std::string wanted;              // repository find
  bool with_attributes = false;    // repository diff
  bool read_all_packs = false;     // repository repair index
  std::vector<std::string> packs;  // repository repair packs: their whole ids
  repository::PruneOptions prune;  // repository prune; its dry_run stands above

  std::string to_url;  // repository copy, instead of `to`, which is a name in agent.yaml
  std::string to_password_file;

  std::string file;  // import

  std::string as_user;  // config check

  std::string token_file;  // join; "-" is stdin
};

// Either what to do, or what to print and how to end.
struct ParsedArguments {
  std::optional<Arguments> arguments;
  std::string out;               // help or version, for stdout
  std::optional<Error> mistake;  // for stderr; kInvalidArgument
  bool json = false;             // --json stood there, whatever else was wrong
  std::string verb;              // as far as it was understood
};

// `argv` without the program's name. `restore` gets the flags that the kinds declare.
ParsedArguments ParseArguments(const std::vector<std::string>& argv,
                               const std::vector<SourceKind>& kinds);

}  // namespace holdfast::cli
