// Where a restore goes, as the operator requested it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace holdfast::cli {

struct RestoreTarget {
  bool in_place = false;
  bool safety_snapshot = true;  // for in place and for a target
  bool allow_invalid = false;   // for in place
  std::string root;             // for a directory: the restore root's name in the node's policy
  std::string directory;        // below it
  std::string path;             // also for in place: only this path; empty: everything
  std::string named;            // for a target: its name in the node's policy
  // Of the restore method, in the order in which they were first given.
  std::vector<std::pair<std::string, std::vector<std::string>>> options;
  bool dry_run = false;  // for in place and for a target
};

}  // namespace holdfast::cli
