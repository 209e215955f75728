// An S3 service in the test's own process: strict about signatures, and failing where a test says
// so.
//
// What it checks is written down once more, from AWS's description and not from our signer: the
// request's raw path and query must be in the one form that is signed, every x-amz header and the
// host must be signed, nothing may be signed that is not there, and the payload's hash must be
// real.
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
  kSlowDown,       // 503 SlowDown, nothing done
  kInternalError,  // 500 InternalError, nothing done
  kBadGateway,     // 502 with a page of HTML, as proxies have it
  kNotFoundPage,   // 404 with a page of HTML: a proxy whose server is just being started
  kNotFound,       // 404 with nothing, as other proxies have it
  kNoBucket,       // 404 NoSuchBucket, as if there were none
  kHangUp,         // the connection ends before the answer, nothing done
  kAnswerLost,     // the work is done, and the connection ends before the answer
  kTwice,          // the work is done twice, as when a proxy sends a request again
  kCutBody,        // half of the answer's body
  kStall,          // no answer at all
  kErrorIn200,     // 200 with the body of an InternalError
  kShortRange,     // half of the range that was asked for, with a header that says so
  kWholeFile,      // 200 and the whole file to a range
  kHostileList,    // a list that is no XML a server sends
  kExpiredToken,   // 400 ExpiredToken, whatever the key is
  kArchived,       // 403 InvalidObjectState: what lies in an archive class can be listed, not read
};

struct S3Key {
  std::string secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  std::string token = {};
  std::optional<WallTime> expires_at = {};
};

struct S3ServerOptions {
  std::string bucket = "backups";
  std::string region = "us-east-1";
  bool has_bucket = true;
  bool is_virtual_host = false;        // the bucket stands before the host's name
  bool knows_conditions = true;        // else If-None-Match is NotImplemented
  bool wants_md5 = false;              // as with Object Lock
  std::size_t page_size = 1000;        // files in a page of a list
  std::chrono::seconds clock_skew{0};  // the server's clock less `clock`
};

class S3Server {
 public:
  // `clock` outlives the server.
  S3Server(S3ServerOptions options, const Clock& clock);

  // "s3:http://127.0.0.1:12345/backups"; `prefix` goes behind it.
  std::string url(std::string_view prefix = "") const;
  std::string endpoint() const { return http_.url(); }

  static constexpr const char* kAccessKeyId = "AKIAIOSFODNN7EXAMPLE";
  // The one with kAccessKeyId is there from the beginning.
  void SetKey(const std::string& access_key_id, S3Key key);
  void RemoveKey(const std::string& access_key_id);

  // From now on the requests number `first` to `last`, of those with this method and this text in
  // their path or query, go wrong.
  void Break(S3Fault fault, std::string method = "", std::string part = "", int first = 1,
             int last = 1 << 30);
  void Mend();

  // What lies there, by key without the bucket.
  std::map<std::string, std::string> files() const;
  void PutFile(const std::string& key, std::string content);
  int requests() const { return requests_; }
  int connections() const { return http_.connections(); }
  // "PUT /backups/keys/3f", as they came.
  std::vector<std::string> log() const;
  // What no client may ever send, whatever it was answered.
  std::vector<std::string> violations() const;

 private:
  struct Verdict {
    int status = 0;  // 0: the request is good
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
