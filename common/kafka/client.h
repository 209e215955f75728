// The only access to Kafka: librdkafka's types and calls stay inside this room.
//
// A Client queries and changes a cluster (cluster.h, configs.h, topics.h, acls.h, users.h,
// groups.h). A Reader reads records of partitions (reader.h), a Writer writes them (writer.h). Each
// is used by one thread at a time. There are no callbacks from librdkafka's threads: their events
// wait for the caller's next call, and observers run inside that call.
//
// Calls wait at most `time_limit` and return soon after a stop is requested (kCancelled).
// librdkafka reports failed logins, TLS errors and failed connections asynchronously, while its
// calls just time out. This room's errors include those reports. A refused login or certificate
// ends a call at once.
//
// Errors: kUnavailable and kTimedOut if the cluster did not answer; kDenied for a refused login or
// certificate, or for a missing right, which the hint names; kNotFound; kAlreadyExists; kBusy;
// kUnsupported if brokers or librdkafka are too old; kInvalidArgument for what brokers reject.
#pragma once

#include <memory>

#include "common/base/result.h"
#include "common/kafka/client_options.h"
#include "common/kafka/topic_partition.h"

namespace holdfast::rdkafka {

class Handle;

class Client {
 public:
  // Use Open().
  Client(ClientOptions options, LogObserver observer, std::unique_ptr<Handle> handle);
  // Does not connect yet; the first call does. kInvalidArgument for invalid options, including
  // files that cannot be read. `observer` may be empty.
  static Result<std::unique_ptr<Client>> Open(ClientOptions options, LogObserver observer = {});
  ~Client();

  const ClientOptions& options() const { return options_; }

  // For this room only. The second handle also sees records of open transactions.
  Handle& handle() { return *handle_; }
  Result<Handle*> UncommittedHandle();

 private:
  ClientOptions options_;
  LogObserver observer_;
  std::unique_ptr<Handle> handle_;
  std::unique_ptr<Handle> uncommitted_;  // created on demand
};

}  // namespace holdfast::rdkafka
