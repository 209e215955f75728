// Puts a node with all below it out of a snapshot into an ensemble that works. Nothing that is
// there is changed: what is missing is made, with its data and its ACL, and what is there is
// compared. Ephemeral nodes are left out, as nobody has their sessions, and so is what ZooKeeper
// keeps for itself below /zookeeper. Zxids, versions and times are the ensemble's own.
#pragma once

#include <stop_token>
#include <vector>

#include "agent/sources/source.h"

namespace holdfast::zookeeper {

// The flags of `restore` that RestoreZnodes() understands, but for --until-zxid.
std::vector<config::OptionSpec> ZnodeOptions();

// May be done again after it broke off: what it has made is there then, and the same.
Result<SpecialRestore> RestoreZnodes(const RestoreSpec& spec, Progress& progress,
                                     const std::stop_token& stop);

}  // namespace holdfast::zookeeper
