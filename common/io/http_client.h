// HTTP/1.1 and HTTP/2 as a client: requests with a body, answers that are pulled piece by piece.
//
// The caller pulls: nothing is received beyond `buffer_bytes` (and the window HTTP/2 grants the
// peer, 32 MiB at most) until Read() is called, so memory does not grow with the size of an answer.
// An HTTP status is not an error here: a 404 is an answer, and a 200 is not yet a success.
//
// Errors, all naming the server as "scheme://host:port":
//   kUnavailable      no connection, or it broke off
//   kTimedOut         nothing moved for `stall_timeout`; there is never a limit on a whole body
//   kDenied           its certificate is not trusted, or it refused ours
//   kInvalidArgument  the URL, or a certificate, key or CA file, cannot be used
//   kCancelled        the stop token asked for it
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
  // HTTP/2 and nothing else: agreed by ALPN over TLS, with prior knowledge in clear text. A server
  // that does not speak it is kUnsupported.
  kHttp2,
};

struct HttpClientOptions {
  HttpVersion version = HttpVersion::kHttp1;
  std::string ca_file = {};    // PEM; empty: what the system trusts. Given, nothing else is trusted
  std::string cert_file = {};  // PEM, with its chain; empty: none
  std::string key_file = {};   // PEM; empty: it lies in cert_file
  std::chrono::milliseconds connect_timeout{10'000};  // name, connection and TLS together
  std::chrono::milliseconds stall_timeout{60'000};    // without a single byte in either direction
  std::size_t buffer_bytes = 1U << 20;                // received ahead of Read(), per exchange
  bool proxy_from_environment = false;                // http_proxy and its kin
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The first value of a name given in lower case; null where there is none.
const std::string* FindHeader(const HttpHeaders& headers, std::string_view name);

struct HttpRequest {
  std::string method = "GET";
  std::string url = {};
  HttpHeaders headers = {};
  // Sent as it is, with its length. Must stay as long as the exchange: a server may answer first.
  ByteView body = {};
};

// One request and its answer. Must not outlive its client. Destroying it before the end breaks the
// request off.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual int status() const = 0;
  // Names in lower case.
  virtual const HttpHeaders& headers() const = 0;
  // The next bytes of the body into the front of `buffer`, waiting for at least one; 0 at the end.
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

// Keeps connections open between exchanges. The client and its exchanges are used by one thread at
// a time, not necessarily the one that made them.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  static Result<std::unique_ptr<HttpClient>> Create(HttpClientOptions options);
  // Sends the request and waits for the answer's header. `stop` ends this and every later Read().
  virtual Result<std::unique_ptr<HttpExchange>> Start(const HttpRequest& request,
                                                      std::stop_token stop) = 0;
  // Whether nobody listens there, or nobody has that name, as of the last exchange that was
  // started. Any other failure, also one to answer in time, is no sign that a service is down.
  virtual bool found_nobody() const = 0;
  // The whole answer at once; kCorrupt when its body is larger than `body_max` bytes.
  Result<HttpReply> Fetch(const HttpRequest& request, std::size_t body_max, std::stop_token stop);
};

}  // namespace holdfast
