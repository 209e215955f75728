// An in-process S3 service. Strict about signatures, and fails where a test requests it.
//
// Its checks are implemented from AWS's documentation, independently of our signer: raw path and
// query must be in canonical form, the host and every x-amz header must be signed, signed headers
// must exist, and the payload's hash must be correct.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "tests/support/loopback_http.h"

namespace holdfast::testing {

enum class S3Fault : std::uint8_t {
  kSlowDown,       // 503 SlowDown, without effect
  kInternalError,  // 500 InternalError, without effect
  kBadGateway,     // 502 with an HTML page, as from proxies
  kNotFoundPage,   // 404 with an HTML page, as from a proxy whose server is starting
  kNotFound,       // 404 without a body, as from other proxies
  kNoBucket,       // 404 NoSuchBucket
  kHangUp,         // the connection closes before the answer, without effect
  kAnswerLost,     // the request takes effect, and the connection closes before the answer
  kTwice,          // the request takes effect twice, as if a proxy repeated it
  kCutBody,        // half of the answer's body
  kStall,          // no answer
  kErrorIn200,     // 200 with the body of an InternalError
  kShortRange,     // half of the requested range, with a matching header
  kWholeFile,      // 200 with the whole file for a range
  kHostileList,    // a list with invalid XML
  kExpiredToken,   // 400 ExpiredToken
  kArchived,       // 403 InvalidObjectState: in an archive class, can be listed but not read
};

struct S3Key {
  std::string secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  std::string token;
  std::optional<WallTime> expires_at;
};

struct S3ServerOptions {
  std::string bucket = "backups";
  std::string region = "us-east-1";
  bool has_bucket = true;
  bool is_virtual_host = false;        // the bucket is in the host name
  bool knows_conditions = true;        // false: If-None-Match is NotImplemented
  bool wants_md5 = false;              // like Object Lock
  std::size_t page_size = 1000;        // files per page of a list
  std::chrono::seconds clock_skew{0};  // server's clock minus `clock`
};

class S3Server {
 public:
  // `clock` must outlive the server.
  S3Server(S3ServerOptions options, const Clock& clock);

  // E.g. "s3:http://127.0.0.1:12345/backups", followed by `prefix`.
  std::string url(std::string_view prefix = "") const;
  std::string endpoint() const { return http_.url(); }

  static constexpr const char* kAccessKeyId = "AKIAIOSFODNN7EXAMPLE";
  // The key of kAccessKeyId exists from the start.
  void SetKey(const std::string& access_key_id, S3Key key);
  void RemoveKey(const std::string& access_key_id);

  // From now on, of the requests with this method and with `part` in path or query, the `first` to
  // the `last` fail.
  void Break(S3Fault fault, std::string method = "", std::string part = "", int first = 1,
             int last = 1 << 30);
  void Repair();

  // The stored files, by key without the bucket.
  std::map<std::string, std::string> files() const;
  void PutFile(const std::string& key, std::string content);
  int requests() const { return requests_; }
  int connections() const { return http_.connections(); }
  // E.g. "PUT /backups/keys/3f", in order.
  std::vector<std::string> log() const;
  // Requests that no client may ever send.
  std::vector<std::string> violations() const;

 private:
  struct Verdict {
    int status = 0;  // 0: the request is valid
    std::string code;
  };
  struct Broken {
    S3Fault fault;
    std::string method;
    std::string part;
    int first;
    int last;
    int seen = 0;
  };

  ServedAnswer Serve(const ServedRequest& request);
  ServedAnswer ServeBroken(const ServedRequest& request, S3Fault fault);
  std::optional<S3Fault> TakeFault(const ServedRequest& request);
  Verdict Verify(const ServedRequest& request);
  ServedAnswer Work(const ServedRequest& request);
  ServedAnswer WorkOnBucket(const ServedRequest& request);
  ServedAnswer Put(const ServedRequest& request, const std::string& key);
  ServedAnswer Get(const ServedRequest& request, const std::string& key);
  ServedAnswer List(const ServedRequest& request);
  ServedAnswer ErrorAnswer(int status, const std::string& code) const;
  WallTime Now() const { return clock_.Now() + options_.clock_skew; }
  void Violate(const std::string& what);

  const S3ServerOptions options_;
  const Clock& clock_;
  std::atomic<int> requests_ = 0;
  mutable std::mutex mutex_;
  bool has_bucket_;
  std::map<std::string, std::string> files_;
  std::map<std::string, S3Key> keys_;
  std::optional<Broken> broken_;
  std::vector<std::string> log_;
  std::vector<std::string> violations_;
  LoopbackHttp http_;
};

}  // namespace holdfast::testing
