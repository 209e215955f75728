// Sources of S3 credentials, one class each. Formats and addresses are AWS's: "Configuration and
// credential file settings", "Use the Instance Metadata Service", "AssumeRoleWithWebIdentity".
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
  // The current credentials; nullopt if this source is not in use. Errors never contain a secret.
  // kInvalidArgument for incomplete credentials, kDenied when refused, kUnavailable without an
  // answer, kCorrupt for a malformed answer.
  virtual Result<std::optional<Credentials>> Load(std::stop_token stop) = 0;
};

// The section `profile` of a shared credentials file; nullopt if it does not exist. Errors name the
// file as `shown`.
Result<std::optional<Credentials>> ParseCredentialsFile(std::string_view text,
                                                        std::string_view profile,
                                                        std::string_view shown);
// Parses the instance metadata service's answer with a role's credentials.
Result<Credentials> ParseMetadataCredentials(std::string_view text);
// Parses the answer of STS to AssumeRoleWithWebIdentity.
Result<Credentials> ParseStsCredentials(std::string_view text);

// The sources to try in order; the first with credentials is used. `region` and `ca_file` are for
// STS.
std::vector<std::unique_ptr<CredentialSource>> CredentialSources(const CredentialSettings& settings,
                                                                 const std::string& region,
                                                                 const std::string& ca_file);

}  // namespace holdfast::s3
