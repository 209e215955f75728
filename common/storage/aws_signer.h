// AWS Signature Version 4, as S3 and compatible services require it: in headers, with the hash of
// the payload. Source: "Signature Version 4 signing process", AWS's reference.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/secret.h"
#include "common/crypto/sha256.h"
#include "common/io/http_client.h"

namespace holdfast::s3 {

struct Credentials {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;                // empty: none
  std::optional<WallTime> expires_at;  // unset: no expiry
};

using Query = std::vector<std::pair<std::string, std::string>>;

// The parts of a request that are signed, not yet encoded.
struct SignedRequest {
  std::string method;
  std::string path = "/";  // "/bucket/data/3f"
  Query query;
  // All headers to sign, including `host`. Must not contain headers that a client adds, changes or
  // drops itself (Content-Length, User-Agent, Expect, Connection).
  HttpHeaders headers;
  std::string payload_hash;  // SHA-256 of the body, lower-case hexadecimal
};

// Encodes each byte except letters, digits, "-", ".", "_" and "~" as "%XX" (RFC 3986), so that the
// request is sent exactly as it is signed.
std::string EncodeComponent(std::string_view text);
// The same, but keeps "/".
std::string EncodePath(std::string_view path);
// "a=1&b=", sorted as the signature requires.
std::string EncodeQuery(const Query& query);

// "20130524T000000Z".
std::string AmzDate(WallTime time);

// Thread-safe.
class AwsSigner {
 public:
  AwsSigner(std::string region, std::string service)
      : region_(std::move(region)), service_(std::move(service)) {}

  const std::string& region() const { return region_; }

  // The headers to send in addition to those of `request`: x-amz-date, x-amz-security-token if the
  // credentials have one, and authorization.
  HttpHeaders Sign(const SignedRequest& request, const Credentials& credentials, WallTime now);

 private:
  crypto::Digest KeyOf(const Credentials& credentials, std::string_view day);

  const std::string region_;
  const std::string service_;
  std::mutex mutex_;
  // The last derived key, which is valid for a day.
  std::string key_day_;
  Secret key_secret_;
  crypto::Digest key_{};
};

}  // namespace holdfast::s3
