// The only door to Kafka: librdkafka's own objects and calls stay behind this room's headers.
//
// A Client asks a cluster and changes it (cluster.h, configs.h, topics.h, acls.h, users.h,
// groups.h); a Reader takes records out of partitions (reader.h), a Writer puts them in (writer.h).
// Each is used by one thread at a time. Nothing of theirs is called from another thread: what
// librdkafka's threads have to tell is picked up by whoever calls, so an observer runs within such
// a call, and not while nobody makes one.
//
// Calls wait at most `time_limit` and end soon after their stop token asks for it (kCancelled).
// librdkafka tells of a failed login, of TLS and of connections beside its calls, which then only
// time out; the errors of this room carry those words. A login or a certificate that was refused
// ends a call at once.
//
// Errors: kUnavailable and kTimedOut where the cluster did not answer, kDenied for a login, a
// certificate or a missing right, whose hint names it, kNotFound, kAlreadyExists, kBusy,
// kUnsupported for what brokers or librdkafka are too old for, kInvalidArgument for what they
// refuse.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/log.h"
#include "common/base/result.h"
#include "common/kafka/properties.h"

namespace holdfast::rdkafka {

class Handle;

struct ClientOptions {
  std::vector<std::string> bootstrap;  // "host:port", of any brokers: the others are found by these
  Properties properties = {};          // with absolute paths
  std::chrono::milliseconds time_limit{30'000};
};

// What librdkafka logs, line by line, without its end.
using LogObserver = std::function<void(LogLevel level, std::string_view line)>;

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;
  auto operator<=>(const TopicPartition&) const = default;
};

class Client {
 public:
  // For Open().
  Client(ClientOptions options, LogObserver observer, std::unique_ptr<Handle> handle);
  // Connects when it is first asked for something. kInvalidArgument for options that cannot be,
  // files that cannot be read among them. `observer` may be empty.
  static Result<std::unique_ptr<Client>> Open(ClientOptions options, LogObserver observer = {});
  ~Client();

  const ClientOptions& options() const { return options_; }

  // For this room only. The second one sees what open transactions wrote, too.
  Handle& handle() { return *handle_; }
  Result<Handle*> UncommittedHandle();

 private:
  ClientOptions options_;
  LogObserver observer_;
  std::unique_ptr<Handle> handle_;
  std::unique_ptr<Handle> uncommitted_;  // made when it is wanted
};

}  // namespace holdfast::rdkafka
