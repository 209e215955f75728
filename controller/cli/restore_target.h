// Where a restore goes, as the operator asked for it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace holdfast::cli {

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

}  // namespace holdfast::cli
