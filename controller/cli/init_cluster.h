// `holdfast init`: creates a cluster's keys, its first root document, and the first files of the
// controller and the operators.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"

namespace holdfast::cli {

struct InitClusterOptions {
  std::string directory;  // new, or empty
  std::string cluster;
  // How agents and operators reach the controller's host: a name or an address.
  std::string host;
  std::vector<std::string> operators;  // persons; each also gets a root key
  unsigned root_threshold = 1;         // how many of them a new root document needs
  unsigned restore_operators = 1;
  unsigned restore_in_place_operators = 1;
  unsigned valid_days = 365;
  // Returns the passphrase for a person's keys. Empty: they are not encrypted.
  std::function<Result<Secret>(const std::string& person)> passphrase;
};

struct InitClusterReport {
  std::string directory;
  std::string cluster_id;
  std::string controller_directory;
  struct Person {
    std::string name;
    std::string directory;
    std::string root_key_file;
  };
  std::vector<Person> operators;
  // How to install each file, with the owner and mode that the units need.
  struct Placement {
    std::string host;     // "controller", or the person's name
    std::string file;     // in `directory`
    std::string target;   // absolute, or below the person's home: "~/..."
    std::string command;  // run in the directory with the host's files
  };
  std::vector<Placement> placements;
  std::int64_t expires_ms = 0;  // of the root document and all its keys
  std::vector<std::string> warnings;
};

// kInvalidArgument unless keys, files and persons may have this name; `what` says whose it is: "the
// cluster".
Result<void> CheckName(std::string_view what, std::string_view name);

// The directory appears whole or not at all. kInvalidArgument for invalid names and numbers,
// kAlreadyExists if the directory is not empty.
Result<InitClusterReport> InitCluster(const InitClusterOptions& options, Random& random,
                                      const Clock& clock);

}  // namespace holdfast::cli
