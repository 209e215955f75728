// Makes the data directory that a member begins with from a snapshot, as the snapshot has it, or as
// the tree was after an earlier transaction: the logs are cut behind that.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/source.h"

namespace holdfast::zookeeper {

// The flags of `restore` that StageDataDirectory() understands.
std::vector<config::OptionSpec> StageOptions();

// Extracts beside the place, reads all of it, cuts the logs, and puts "version-2" in its place as
// the last step: on an error nothing is left of it. Returns what was made, and what is left to do.
Result<std::vector<std::string>> StageDataDirectory(const RestoreSpec& spec, Progress& progress,
                                                    const std::stop_token& stop);

}  // namespace holdfast::zookeeper
