// A server's answer to "srvr", the only one of ZooKeeper's four-letter words that is allowed by
// default. Nothing depends on the answer: a server that gives no answer, because the word is
// disabled or only TLS is spoken, is backed up too, but less is known about it.
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

// Waits two seconds for a silent server. kUnavailable and kTimedOut if it does not answer;
// kUnsupported if it does not know or allow the word; kBusy if it is not part of a working
// ensemble.
Result<ServerAnswer> QueryServer(const Address& address);

Result<ServerAnswer> ParseServerAnswer(std::string_view text);

}  // namespace holdfast::zookeeper
