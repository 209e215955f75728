// The client's side of SASL DIGEST-MD5 (RFC 2831), as far as ZooKeeper servers use it: only the
// login, without protection of later messages.
#pragma once

#include <string>
#include <string_view>

#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"

namespace holdfast::zookeeper {

// The scheme in credentials that selects it. ZooKeeper itself has no such scheme for clients.
inline constexpr std::string_view kSaslScheme = "sasl";
// The service name of every ZooKeeper server.
inline constexpr std::string_view kSaslService = "zookeeper/zk-sasl-md5";

class SaslDigest {
 public:
  // Answers the server's first message. `login` is "user:password". kUnsupported for a challenge of
  // another mechanism, kInvalidArgument for a login without a password.
  static Result<SaslDigest> Answer(std::string_view challenge, const Secret& login, Random& random,
                                   std::string_view service = kSaslService);

  const std::string& response() const { return response_; }
  // Checks that the server's next message proves that it knows the password; kDenied if not.
  Result<void> Check(std::string_view answer) const;

 private:
  SaslDigest(std::string response, std::string proof)
      : response_(std::move(response)), proof_(std::move(proof)) {}
  std::string response_;
  std::string proof_;
};

}  // namespace holdfast::zookeeper
