// One member of an etcd cluster, spoken to by gRPC.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/etcd/grpc_client.h"
#include "agent/sources/etcd/messages.h"
#include "agent/sources/http_access.h"
#include "common/base/result.h"
#include "common/base/secret.h"

namespace holdfast::etcd {

using Access = HttpAccess;

// A server stream of snapshot messages, the first of them already here.
class SnapshotMessages {
 public:
  SnapshotMessages(std::unique_ptr<GrpcStream> stream, Bytes first)
      : stream_(std::move(stream)), first_(std::move(first)) {}
  // As GrpcStream::Next().
  Result<std::optional<ByteView>> Next();

 private:
  std::unique_ptr<GrpcStream> stream_;
  Bytes first_;
  bool first_given_ = false;
};

// Logs in when there is a user, and once again when the server forgot the token. All errors name
// the endpoint. One thread at a time; what OpenSnapshot() returns must not outlive it, and is the
// only thing used until it has ended.
class Connection {
 public:
  // For Open().
  Connection(GrpcClient calls, GrpcClient streams, const Access& access)
      : calls_(std::move(calls)), streams_(std::move(streams)), access_(access) {}
  static Result<std::unique_ptr<Connection>> Open(const std::string& endpoint,
                                                  const Access& access);
  Result<StatusResponse> Status(std::stop_token stop);
  Result<std::vector<MemberEntry>> Members(std::stop_token stop);
  Result<std::vector<AlarmEntry>> Alarms(std::stop_token stop);
  // How many keys there are at `revision`. kInvalidArgument or kUnavailable once it is compacted.
  Result<std::uint64_t> CountKeys(std::uint64_t revision, std::stop_token stop);
  // Waits for the first message: from then on the server holds its read transaction, so later
  // writes do not show.
  Result<std::unique_ptr<SnapshotMessages>> OpenSnapshot(std::stop_token stop);

  const std::string& endpoint() const { return calls_.endpoint(); }
  // A user was given although the cluster's authentication is off.
  bool user_not_needed() const { return user_not_needed_; }

 private:
  Result<HttpHeaders> Metadata(std::stop_token stop);
  Result<Bytes> Call(std::string_view method, ByteView message, std::stop_token stop);
  GrpcClient calls_;
  GrpcClient streams_;
  Access access_;
  Secret token_;
  bool user_not_needed_ = false;
};

}  // namespace holdfast::etcd
