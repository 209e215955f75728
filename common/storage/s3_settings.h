// Settings for an "s3:" URL from configuration and environment.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace holdfast::s3 {

// Environment variables by name: AWS_* and HOME, with AWS's own meaning.
using Variables = std::map<std::string, std::string, std::less<>>;

enum class CredentialKind : std::uint8_t {
  kAuto,  // the first available of: environment, web identity, file, instance metadata
  kKeys,  // access_key_id and secret_access_key_file
  kEnvironment,
  kFile,
  kWebIdentity,
  kInstanceMetadata,
};

struct CredentialSettings {
  CredentialKind kind = CredentialKind::kAuto;
  std::string access_key_id;
  std::string secret_access_key_file;
  std::string file;     // AWS's shared credentials file; empty: from the variables
  std::string profile;  // a section in it; empty: from the variables, else "default"
  std::string role_arn;
  std::string web_identity_token_file;
  std::string sts_url;  // empty: from the variables, else AWS's in the region
  Variables variables;
};

// Where requests name the bucket: in the host name, or as the first part of the path.
enum class Style : std::uint8_t { kAuto, kPath, kVirtualHost };

inline constexpr unsigned kConnectionsDefault = 5;
inline constexpr unsigned kConnectionsMax = 64;

struct Settings {
  std::string region;  // empty: from the host name or the variables, else us-east-1
  Style style = Style::kAuto;
  std::string ca_file;  // PEM; empty: the system's CAs
  unsigned connections = kConnectionsDefault;
  CredentialSettings credentials;
};

}  // namespace holdfast::s3
