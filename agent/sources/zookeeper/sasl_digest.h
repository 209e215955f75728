// The client's half of SASL's DIGEST-MD5 (RFC 2831), as far as a server of ZooKeeper's asks for it:
// the login alone, with nothing that protects what follows.
#pragma once

#include <string>
#include <string_view>

#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"

namespace holdfast::zookeeper {

// The scheme of credentials for it, which is no scheme of ZooKeeper's for clients to name.
inline constexpr std::string_view kSaslScheme = "sasl";
// What every server of ZooKeeper's is called there.
inline constexpr std::string_view kSaslService = "zookeeper/zk-sasl-md5";

class SaslDigest {
 public:
  // To what the server says first. `login` is "user:password". kUnsupported for a challenge of
  // another mechanism, kInvalidArgument for a login without a password.
  static Result<SaslDigest> Answer(std::string_view challenge, const Secret& login, Random& random,
                                   std::string_view service = kSaslService);

  const std::string& response() const { return response_; }
  // Whether what the server says then proves that it knows the password; kDenied.
  Result<void> Check(std::string_view answer) const;

 private:
  SaslDigest(std::string response, std::string proof)
      : response_(std::move(response)), proof_(std::move(proof)) {}
  std::string response_;
  std::string proof_;
};

}  // namespace holdfast::zookeeper
