// A bucket of S3 or a compatible service as Storage. A repository's files are stored below a prefix
// in restic's layout. Protocol: "Amazon S3 REST API".
//
// A call makes one try of each request; RetryStorage retries. Three problems are corrected at once,
// because waiting would not help: a wrong clock (from the server's Date), expired credentials
// (loaded again), and a bucket with Object Lock (which requires Content-MD5).
//
// Something is missing only if the server says so by name (NoSuchKey; NoSuchBucket if the bucket
// was not seen yet). Any other 404 is kUnavailable: a proxy returns it while its server restarts,
// and a prune may destroy what seems to be missing. If the service never gave any other answer, it
// is kInvalidArgument after some tries: a wrong URL returns it forever.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/storage/adaptive_limit.h"
#include "common/storage/credentials.h"
#include "common/storage/s3_answers.h"
#include "common/storage/s3_url.h"
#include "common/storage/storage.h"

namespace holdfast::s3 {

struct StorageOptions {
  const Clock* clock = nullptr;  // must outlive the storage
  std::stop_token stop;          // ends every call with kCancelled
  // A request that transfers no bytes for this long fails.
  std::chrono::milliseconds stall_timeout{60'000};
  // Replaces the timeouts for connecting and stalls until the server has answered once.
  std::optional<std::chrono::milliseconds> first_answer_timeout = std::nullopt;
};

class S3Storage final : public Storage {
 public:
  // Does not connect yet. kInvalidArgument for a malformed URL.
  static Result<std::unique_ptr<S3Storage>> Open(std::string_view url, const Settings& settings,
                                                 const StorageOptions& options);
  S3Storage(Place place, const Settings& settings, const StorageOptions& options);

  std::string location() const override { return place_.location; }
  unsigned connections_max() const override { return connections_; }
  // Creates the bucket if it is missing.
  Result<void> Create() override;
  // A pack's name is sent as the hash of its content, which the signature needs. If they differ,
  // the server refuses the pack: kCorrupt. An existing file with the same content is not
  // kAlreadyExists: an earlier try may have written it before its connection broke.
  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override;
  Result<Bytes> Get(const FileName& name, ByteRange range) override;
  Result<FileInfo> Stat(const FileName& name) override;
  Result<void> List(FileKind kind, const VisitFile& visit) override;
  Result<void> Remove(const FileName& name) override;

  // The current limit of concurrent requests.
  unsigned connections_allowed() const { return limit_.allowed(); }

 private:
  struct Request {
    std::string what;  // "read \"keys/3f...\"", for errors
    std::string method = "GET";
    std::string path;
    Query query;
    HttpHeaders headers;
    ByteView body;
    std::string payload_hash;
    std::size_t answer_bytes_max = 0;  // for a success
  };
  struct Answer {
    int status = 0;
    HttpHeaders headers;
    Bytes body;
    ResponseError error;  // empty for a success

    bool is_success() const { return status >= 200 && status < 300 && error.code.empty(); }
  };
  // What was already corrected for one request.
  struct Corrections {
    bool clock = false;
    bool credentials = false;
    bool md5 = false;
  };

  Request RequestFor(std::string what, std::string method, const FileName& name) const;
  // Returns any answer. Errors are those of connecting and of loading credentials.
  Result<Answer> Send(const Request& request);
  Result<Answer> SendOnce(const Request& request, const Credentials& credentials);
  Result<Answer> Exchange(HttpClient& client, const HttpRequest& sent, const Request& request);
  // Whether something was corrected, so that sending again makes sense.
  Result<bool> Correct(const Request& request, const Answer& answer, const Credentials& credentials,
                       Corrections& done);
  bool CorrectClock(const Answer& answer);
  // The answer's error, with the request.
  std::unexpected<Error> Refused(const Request& request, const Answer& answer);
  // Sends a HEAD. If it fails, the response has no body with the reason, so a GET asks for it.
  Result<Answer> Look(const Request& request);
  Result<Bytes> TakeRange(const Request& request, Answer answer, ByteRange range);
  // Fails with `there` unless the stored file is `content`.
  Result<void> CompareWithOurs(const FileName& name, ByteView content, Error there);
  // Visits one page. Returns the token of the next one, empty after the last.
  Result<std::string> ListPageFrom(FileKind kind, const std::string& token, const VisitFile& visit);

  Result<std::unique_ptr<HttpClient>> TakeClient();
  void KeepClient(std::unique_ptr<HttpClient> client);
  void DropIdleClients();
  WallTime ServerNow() const;

  const Place place_;
  const unsigned connections_;
  const std::string ca_file_;
  const StorageOptions options_;
  AwsSigner signer_;
  CredentialCache credentials_;
  AdaptiveLimit limit_;
  std::atomic<std::int64_t> clock_offset_ns_ = 0;  // the server's clock minus ours
  std::atomic<bool> wants_md5_ = false;
  std::atomic<bool> has_answered_ = false;
  std::atomic<bool> was_bucket_there_ = false;  // in any answer so far
  std::atomic<unsigned> strange_404s_ = 0;      // refused before the bucket was seen
  std::mutex mutex_;
  std::vector<std::unique_ptr<HttpClient>> idle_;  // each keeps a connection
};

}  // namespace holdfast::s3
