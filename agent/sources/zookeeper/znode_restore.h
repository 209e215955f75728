// Puts a node with all below it out of a snapshot into an ensemble that works. What is missing is
// made, with its data and its ACL; what is there is compared, and left as it is unless the request
// says otherwise. Nothing is taken away. Ephemeral nodes are left out, as nobody has their
// sessions, and so is what ZooKeeper keeps for itself below /zookeeper. Zxids, versions and times
// are the ensemble's own.
#pragma once

#include "agent/sources/source.h"

namespace holdfast::zookeeper {

// "to-ensemble". It may be done again after it broke off: what it has made is there then, and the
// same.
RestoreMethod ToEnsembleMethod();

}  // namespace holdfast::zookeeper
