// HTTP/1.1 and HTTP/2 client: requests with a body, responses that are read in pieces.
//
// The caller pulls: until Read() is called, at most `buffer_bytes` are received (plus the window
// that HTTP/2 grants the peer, at most 32 MiB), so memory does not grow with the size of a
// response. An HTTP status is not an error here: a 404 is a response, and a 200 is not yet a
// success.
//
// Errors, all naming the server as "scheme://host:port":
//   kUnavailable      no connection, or it broke
//   kTimedOut         no byte for `stall_timeout`; there is no limit on a whole body
//   kDenied           its certificate is not trusted, or it refused ours
//   kInvalidArgument  the URL, or a certificate, key or CA file, cannot be used
//   kCancelled        the stop token requested it
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast {

enum class HttpVersion : std::uint8_t {
  kHttp1,
  // HTTP/2 only: negotiated by ALPN over TLS, with prior knowledge in clear text. kUnsupported if
  // the server does not support it.
  kHttp2,
};

struct HttpClientOptions {
  HttpVersion version = HttpVersion::kHttp1;
  std::string ca_file;    // PEM; empty: the system's CAs. If set, only these are trusted
  std::string cert_file;  // PEM, with its chain; empty: none
  std::string key_file;   // PEM; empty: it is in cert_file
  std::chrono::milliseconds connect_timeout{10'000};  // name lookup, connection and TLS
  std::chrono::milliseconds stall_timeout{60'000};    // without a byte in either direction
  std::size_t buffer_bytes = 1U << 20;                // received ahead of Read(), per exchange
  bool proxy_from_environment = false;                // http_proxy etc.
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The first value of the header `name`, which is in lower case; null if it is missing.
const std::string* FindHeader(const HttpHeaders& headers, std::string_view name);

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  HttpHeaders headers;
  // Sent unchanged, with its length. Must outlive the exchange, since a server may answer first.
  ByteView body;
};

// One request and its response. Must not outlive its client. Destroying it early aborts the
// request.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual int status() const = 0;
  // Names in lower case.
  virtual const HttpHeaders& headers() const = 0;
  // Reads the next bytes of the body into `buffer`, waiting for at least one; 0 at the end.
  virtual Result<std::size_t> Read(std::span<std::uint8_t> buffer) = 0;
  // REQUIRES: Read() has returned 0. Names in lower case.
  virtual const HttpHeaders& trailers() const = 0;
};

struct HttpReply {
  int status = 0;
  HttpHeaders headers;
  Bytes body;
  HttpHeaders trailers;
};

// Keeps connections open between exchanges. The client and its exchanges may be used by one thread
// at a time, not necessarily the one that created them.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  static Result<std::unique_ptr<HttpClient>> Create(HttpClientOptions options);
  // Sends the request and waits for the response's headers. `stop` also cancels later Read() calls.
  virtual Result<std::unique_ptr<HttpExchange>> Start(const HttpRequest& request,
                                                      std::stop_token stop) = 0;
  // Whether the last exchange failed because the host name does not exist or nothing listens at the
  // address. Any other failure, including a timeout, does not show that a service is down.
  virtual bool is_unreachable() const = 0;
  // Reads the whole response; kCorrupt when its body is larger than `body_max` bytes.
  Result<HttpReply> Fetch(const HttpRequest& request, std::size_t body_max, std::stop_token stop);
};

}  // namespace holdfast
