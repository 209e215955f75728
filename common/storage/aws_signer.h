// Signature version 4 of AWS, as S3 and its kin want requests signed: in headers, with the hash of
// what is really sent. Source: "Signature Version 4 signing process", AWS's reference.
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

// Who asks.
struct Credentials {
  std::string access_key_id = {};
  Secret secret_access_key = {};
  Secret session_token = {};                // empty: none belongs to it
  std::optional<WallTime> expires_at = {};  // unset: they hold until somebody changes them
};

using Query = std::vector<std::pair<std::string, std::string>>;

// What is signed. Nothing in it is encoded yet.
struct SignedRequest {
  std::string method = {};
  std::string path = "/";  // "/bucket/data/3f"
  Query query = {};
  // All that is to be signed, `host` among them; never what a client adds, changes or leaves out by
  // itself (Content-Length, User-Agent, Expect, Connection).
  HttpHeaders headers = {};
  std::string payload_hash = {};  // SHA-256 of the body, lower-case hexadecimal
};

// Each byte but letters, digits, "-", ".", "_" and "~" as "%XX" (RFC 3986), so that exactly what is
// signed is sent.
std::string EncodeComponent(std::string_view text);
// Likewise, and "/" stays.
std::string EncodePath(std::string_view path);
// "a=1&b=", sorted as the signature has them.
std::string EncodeQuery(const Query& query);

// "20130524T000000Z".
std::string AmzDate(WallTime time);

// Safe to use from several threads.
class AwsSigner {
 public:
  AwsSigner(std::string region, std::string service)
      : region_(std::move(region)), service_(std::move(service)) {}

  const std::string& region() const { return region_; }

  // The headers to send beside those of `request`: x-amz-date, x-amz-security-token where the
  // credentials have one, and authorization.
  HttpHeaders Sign(const SignedRequest& request, const Credentials& credentials, WallTime now);

 private:
  crypto::Digest KeyOf(const Credentials& credentials, std::string_view day);

  const std::string region_;
  const std::string service_;
  std::mutex mutex_;
  // The key derived last: it is the same for a whole day.
  std::string key_day_;
  Secret key_secret_;
  crypto::Digest key_{};
};

}  // namespace holdfast::s3
