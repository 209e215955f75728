// What goes with an "s3:" URL, as configuration and environment give it. Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace holdfast::s3 {

// Environment variables by name: AWS_* and HOME, of which no other than AWS's own meaning is used.
using Variables = std::map<std::string, std::string, std::less<>>;

enum class CredentialKind : std::uint8_t {
  kAuto,  // the first that there is of: environment, web identity, file, instance metadata
  kKeys,  // access_key_id and secret_access_key_file
  kEnvironment,
  kFile,
  kWebIdentity,
  kInstanceMetadata,
};

struct CredentialSettings {
  CredentialKind kind = CredentialKind::kAuto;
  std::string access_key_id = {};
  std::string secret_access_key_file = {};
  std::string file = {};     // AWS's shared credentials file; empty: as the variables say
  std::string profile = {};  // a section of it; empty: as the variables say, else "default"
  std::string role_arn = {};
  std::string web_identity_token_file = {};
  std::string sts_url = {};  // empty: as the variables say, else AWS's of the region
  Variables variables = {};
};

// How the bucket is named in requests: before the host's name, or as the path's first part.
enum class Style : std::uint8_t { kAuto, kPath, kVirtualHost };

inline constexpr unsigned kConnectionsDefault = 5;
inline constexpr unsigned kConnectionsMax = 64;

struct Settings {
  std::string region = {};  // empty: what the host's name or the variables say, else us-east-1
  Style style = Style::kAuto;
  std::string ca_file = {};  // PEM; empty: what the system trusts
  unsigned connections = kConnectionsDefault;
  CredentialSettings credentials = {};
};

}  // namespace holdfast::s3
