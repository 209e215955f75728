// What the operator asks for. The only file with CLI11 is command_line.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "controller/cli/init_cluster.h"
#include "controller/cli/root_change.h"

namespace holdfast::cli {

enum class Command : std::uint8_t {
  kInit,
  kStatus,
  kCheck,
  kAgentList,
  kAgentToken,
  kAgentRevoke,
  kSourceList,
  kBackup,
  kRunList,
  kRunShow,
  kRunWatch,
  kRunCancel,
  kSnapshotList,
  kSnapshotShow,
  kRestore,
  kApprove,
  kApprovalList,
  kApprovalShow,
  kApprovalDeny,
  kTrustShow,
  kTrustRotate,
  kTrustKey,
  kCatalogCheck,
  kCatalogBackup,
  kCatalogRebuild,
};
// As people type it: "run list".
std::string_view CommandName(Command command);

// Where a restore goes, as it was asked for.
struct RestoreTarget {
  bool in_place = false;
  bool safety_snapshot = true;  // in place, and to a target
  bool allow_invalid = false;   // in place
  std::string root;             // to a directory: as the node's policy names it
  std::string directory;        // below it
  std::string path;             // in place too: only this of the snapshot; empty: all
  std::string named;            // to a target: as the node's policy names it
  // Of the kind's own restore, in the order in which they were first given.
  std::vector<std::pair<std::string, std::vector<std::string>>> options;
  bool dry_run = false;  // in place, and to a target
};

struct OperatorLine {
  Command command = Command::kStatus;
  std::string config;      // --config; empty: the default, if it is there
  std::string controller;  // --controller
  bool json = false;
  bool yes = false;

  std::string name;  // the NODE, RUN, SNAPSHOT, DRAFT, PERSON or PATH that stands alone
  std::vector<std::string> selectors;  // backup, source list
  std::string source;                  // run list, snapshot list
  std::string run;                     // snapshot list
  bool with_safety = false;            // likewise
  bool undo = false;                   // restore
  bool allow_partial = false;          // restore, snapshot show
  bool allow_invalid = false;          // likewise
  std::string repository;              // check
  std::string note;
  bool read_data = false;
  bool queue_if_busy = false;
  bool no_wait = false;
  bool running_only = false;
  std::chrono::milliseconds splay{0};
  std::uint32_t limit = 0;  // of lists; 0: all

  std::string node;  // restore
  RestoreTarget target;

  std::string passphrase_file;
  bool no_passphrase = false;

  InitClusterOptions init;  // but for `passphrase`

  RootChanges changes;                 // trust rotate, and what follows
  std::string file;                    // that is handed round
  std::string base;                    // the document in force, from a file
  std::vector<std::string> root_keys;  // files
  bool send = false;

  std::string directory;  // trust key
  std::string against;    // catalog check
};

// Either what to do, or what to print and how to end.
struct ParsedOperatorLine {
  std::optional<OperatorLine> line;
  std::string out;               // help or version, for stdout
  std::optional<Error> mistake;  // for stderr; kInvalidArgument
  bool json = false;             // --json stood there, whatever else was wrong
  std::string command;           // as far as it was understood
};

// `argv` without the program's name.
ParsedOperatorLine ParseCommandLine(const std::vector<std::string>& argv);

}  // namespace holdfast::cli
