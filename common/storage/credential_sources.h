// Where S3 credentials come from, one class for each place. Formats and addresses are AWS's:
// "Configuration and credential file settings", "Use the Instance Metadata Service",
// "AssumeRoleWithWebIdentity".
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/storage/aws_signer.h"
#include "common/storage/s3_settings.h"

namespace holdfast::s3 {

// One thread at a time.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  // For messages: "the environment", "file \"/etc/holdfast/s3\"".
  virtual std::string name() const = 0;
  // What is there now; nullopt when nothing is meant to be there. No error shows a secret.
  // kInvalidArgument for half of something, kDenied when it was refused, kUnavailable when nobody
  // answers, kCorrupt for an answer that makes no sense.
  virtual Result<std::optional<Credentials>> Load(std::stop_token stop) = 0;
};

// The section `profile` of a shared credentials file; nullopt when it is not there.
// `shown` names the file in errors.
Result<std::optional<Credentials>> ParseCredentialsFile(std::string_view text,
                                                        std::string_view profile,
                                                        std::string_view shown);
// The answer of the instance metadata service to the question for a role's credentials.
Result<Credentials> ParseMetadataCredentials(std::string_view text);
// The answer of STS to AssumeRoleWithWebIdentity.
Result<Credentials> ParseStsCredentials(std::string_view text);

// Those to ask, in this order; the first that has something counts. `region` and `ca_file` are for
// STS.
std::vector<std::unique_ptr<CredentialSource>> CredentialSources(const CredentialSettings& settings,
                                                                 const std::string& region,
                                                                 const std::string& ca_file);

}  // namespace holdfast::s3
