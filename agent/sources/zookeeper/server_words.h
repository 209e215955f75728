// What a server says of itself when it is asked "srvr", one of ZooKeeper's four-letter words, which
// is the only one that is allowed by default. Nothing depends on an answer: a server that gives
// none, because it is switched off or speaks TLS alone, is saved as well, and less is known of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/sources/zookeeper/tcp.h"
#include "common/base/result.h"

namespace holdfast::zookeeper {

struct ServerAnswer {
  std::string version;  // e.g. "3.9.4"
  std::string mode;     // "leader", "follower", "observer", "standalone"
  std::int64_t zxid = 0;
};

// Waits two seconds for a server that says nothing. kUnavailable and kTimedOut where nobody
// answers; kUnsupported where it does not know the word, or may not; kBusy when it has no part in
// an ensemble that works.
Result<ServerAnswer> AskServer(const Address& address);

// What it said, taken apart.
Result<ServerAnswer> ParseServerAnswer(std::string_view text);

}  // namespace holdfast::zookeeper
