// A bucket of S3, or of a service that speaks its protocol, as Storage: the files of a repository
// lie below a prefix as restic lays them out. Protocol: "Amazon S3 REST API".
//
// One try of one request at a time per thread; RetryStorage tries again. Three things are put right
// at once, because waiting would not help: a clock that is wrong (by the server's Date),
// credentials that are over (asked for anew), and a bucket with Object Lock (which wants
// Content-MD5).
//
// What is not there is what the server says is not there, by name (NoSuchKey; NoSuchBucket of a
// bucket that was not seen yet). Any other 404 is kUnavailable: a proxy answers so while the server
// behind it is started anew, and what counts as gone is soon destroyed by who makes room. Where
// nothing else ever came it is kInvalidArgument after some tries: a wrong URL answers so for ever.
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
  const Clock* clock = nullptr;  // outlives the storage
  std::stop_token stop = {};     // ends every call with kCancelled
  // After which a request that moves no byte in either direction is given up.
  std::chrono::milliseconds stall_timeout{60'000};
  // The limit of connecting and of a stall until the server has answered for the first time.
  std::optional<std::chrono::milliseconds> first_answer_timeout = std::nullopt;
};

class S3Storage final : public Storage {
 public:
  // Touches nothing yet. kInvalidArgument for a URL that makes no sense.
  static Result<std::unique_ptr<S3Storage>> Open(std::string_view url, const Settings& settings,
                                                 const StorageOptions& options);
  S3Storage(Place place, const Settings& settings, const StorageOptions& options);

  std::string location() const override { return place_.location; }
  unsigned connections_max() const override { return connections_; }
  // Makes the bucket where it is missing.
  Result<void> Create() override;
  // A pack's name is taken for the hash of its content, as the signature needs it: one that is not
  // is refused by the server, and kCorrupt. A file with the same content is no reason for
  // kAlreadyExists: a connection that broke off may have let the first sending of it through.
  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override;
  Result<Bytes> Get(const FileName& name, ByteRange range) override;
  Result<FileInfo> Stat(const FileName& name) override;
  Result<void> List(FileKind kind,
                    const std::function<Result<void>(const FileInfo&)>& visit) override;
  Result<void> Remove(const FileName& name) override;

  // How many requests go out at once just now.
  unsigned connections_allowed() const { return limit_.allowed(); }

 private:
  struct Request {
    std::string what;  // "read \"keys/3f...\"", for errors
    std::string method = "GET";
    std::string path = {};
    Query query = {};
    HttpHeaders headers = {};
    ByteView body = {};
    std::string payload_hash = {};
    std::size_t answer_bytes_max = 0;  // of a success
  };
  struct Answer {
    int status = 0;
    HttpHeaders headers = {};
    Bytes body = {};
    AnsweredError error = {};  // where it is no success

    bool is_success() const { return status >= 200 && status < 300 && error.code.empty(); }
  };
  // What was put right already for one request.
  struct Corrections {
    bool clock = false;
    bool credentials = false;
    bool md5 = false;
  };

  Request RequestFor(std::string what, std::string method, const FileName& name) const;
  // Any answer. Errors are those of the connection and of finding credentials.
  Result<Answer> Send(const Request& request);
  Result<Answer> SendOnce(const Request& request, const Credentials& credentials);
  Result<Answer> Exchange(HttpClient& client, const HttpRequest& sent, const Request& request);
  // Whether something was put right, so that it is worth to send it again.
  Result<bool> Correct(const Request& request, const Answer& answer, const Credentials& credentials,
                       Corrections& done);
  bool CorrectClock(const Answer& answer);
  // The answer's error, with what was asked.
  std::unexpected<Error> Refused(const Request& request, const Answer& answer);
  // Sends a HEAD. What refuses it, or does not find the file, has no body that says why: that is
  // asked for by a GET.
  Result<Answer> Look(const Request& request);
  Result<Bytes> TakeRange(const Request& request, Answer answer, ByteRange range);
  // Errors with `there` unless what lies there is `content`.
  Result<void> CompareWithOurs(const FileName& name, ByteView content, Error there);
  // Shows one page; the token of the next, empty behind the last.
  Result<std::string> ListPageFrom(FileKind kind, const std::string& token,
                                   const std::function<Result<void>(const FileInfo&)>& visit);

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
  std::atomic<std::int64_t> clock_offset_ns_ = 0;  // the server's clock less ours
  std::atomic<bool> wants_md5_ = false;
  std::atomic<bool> has_answered_ = false;
  std::atomic<bool> was_bucket_there_ = false;  // by any answer so far
  std::atomic<unsigned> strange_404s_ = 0;      // that were refused while it was not
  std::mutex mutex_;
  std::vector<std::unique_ptr<HttpClient>> idle_;  // each with a connection that is kept
};

}  // namespace holdfast::s3
