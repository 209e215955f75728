// The part of gRPC over HTTP/2 that etcd's API needs: unary calls and server streams without
// compression (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). The HTTP status is
// irrelevant: a call succeeded only if its trailers have `grpc-status: 0`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/io/http_client.h"

namespace holdfast::etcd {

// Splits a body into messages: a flag byte, four bytes of length, the message.
class GrpcFrames {
 public:
  // As HttpExchange::Read().
  using ReadBytes = std::function<Result<std::size_t>(std::span<std::uint8_t>)>;
  explicit GrpcFrames(ReadBytes read) : read_(std::move(read)) {}
  // The next message, valid until the next call; nullopt at the end of the body. kCorrupt if the
  // body ends within a message, or a message is compressed or larger than kMessageMax.
  Result<std::optional<ByteView>> Next();

  static constexpr std::size_t kMessageMax = 4U << 20;  // gRPC's default limit; etcd sends 32 KiB

 private:
  Result<bool> Have(std::size_t bytes);
  ReadBytes read_;
  Bytes buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// Fails with kUnavailable, kDenied etc. and the server's message if the status is not 0. `headers`
// are the trailers, or the headers of a response without a body.
Result<void> CheckGrpcStatus(const HttpHeaders& headers);
// Whether the server no longer knows the token, so that logging in again helps.
bool IsStaleToken(const Error& error);

// A server stream. Used by one thread at a time; must not outlive its client.
class GrpcStream {
 public:
  GrpcStream(std::unique_ptr<HttpExchange> exchange, std::string server);
  // The next message, valid until the next call; nullopt after status 0. Errors name the server.
  Result<std::optional<ByteView>> Next();

 private:
  std::unique_ptr<HttpExchange> exchange_;
  std::string server_;
  GrpcFrames frames_;
};

class GrpcClient {
 public:
  // `endpoint` is "http://host:port" or "https://host:port".
  static Result<GrpcClient> Create(std::string endpoint, HttpClientOptions options);
  // `method` is "package.Service/Method".
  Result<std::unique_ptr<GrpcStream>> Open(std::string_view method, ByteView message,
                                           const HttpHeaders& metadata, std::stop_token stop);
  // A call with exactly one response message.
  Result<Bytes> Call(std::string_view method, ByteView message, const HttpHeaders& metadata,
                     std::stop_token stop);
  const std::string& endpoint() const { return endpoint_; }

 private:
  GrpcClient(std::string endpoint, std::unique_ptr<HttpClient> http)
      : endpoint_(std::move(endpoint)), http_(std::move(http)) {}
  std::string endpoint_;
  std::unique_ptr<HttpClient> http_;
  Bytes request_;  // of the current exchange
};

}  // namespace holdfast::etcd
