// A connection to one member of an etcd cluster, over gRPC.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/etcd/grpc_client.h"
#include "agent/sources/etcd/messages.h"
#include "agent/sources/member/http_access.h"
#include "common/base/result.h"
#include "common/base/secret.h"

namespace holdfast::etcd {

// A stream of snapshot messages whose first message was already received.
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

// Logs in if a user is configured, and once more if the server no longer accepts the token. All
// errors name the endpoint. Used by one thread at a time. The stream from OpenSnapshot() must not
// outlive the connection, and nothing else may be used until it ends.
class Connection {
 public:
  // Use Open().
  Connection(GrpcClient calls, GrpcClient streams, const HttpAccess& access)
      : calls_(std::move(calls)), streams_(std::move(streams)), access_(access) {}
  static Result<std::unique_ptr<Connection>> Open(const std::string& endpoint,
                                                  const HttpAccess& access);
  Result<StatusResponse> Status(std::stop_token stop);
  Result<std::vector<MemberEntry>> Members(std::stop_token stop);
  Result<std::vector<AlarmEntry>> Alarms(std::stop_token stop);
  // The number of keys at `revision`. kInvalidArgument or kUnavailable if it was compacted.
  Result<std::uint64_t> CountKeys(std::uint64_t revision, std::stop_token stop);
  // Waits for the first message: from then on the server holds its read transaction, so later
  // writes are not in the snapshot.
  Result<std::unique_ptr<SnapshotMessages>> OpenSnapshot(std::stop_token stop);

  const std::string& endpoint() const { return calls_.endpoint(); }
  // A user is configured, but authentication is off in the cluster.
  bool user_not_needed() const { return user_not_needed_; }

 private:
  Result<HttpHeaders> Metadata(std::stop_token stop);
  Result<Bytes> Call(std::string_view method, ByteView message, std::stop_token stop);
  GrpcClient calls_;
  GrpcClient streams_;
  HttpAccess access_;
  Secret token_;
  bool user_not_needed_ = false;
};

}  // namespace holdfast::etcd
