#include "agent/settings/s3_options.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "common/base/format.h"
#include "common/storage/s3_url.h"

namespace holdfast {
namespace {

using config::OptionSpec;
using config::OptionType;
using s3::CredentialKind;

std::vector<OptionSpec> MakeS3Options() {
  return {
      {.name = "region",
       .type = OptionType::kString,
       .help = "the region of the bucket, e.g. \"eu-central-1\""},
      {.name = "style",
       .type = OptionType::kString,
       .help = "where requests name the bucket: in the path or in the host's name",
       .choices = {"auto", "path", "virtual-host"}},
      {.name = "ca",
       .type = OptionType::kPath,
       .help = "the authority that signed the server's certificate; default: the system's trusted "
               "authorities"},
      {.name = "connections",
       .type = OptionType::kInteger,
       .help = "how many requests are sent at once",
       .minimum = 1,
       .maximum = s3::kConnectionsMax},
      {.name = "credentials",
       .type = OptionType::kString,
       .help = "where to look for the credentials",
       .choices = {"auto", "environment", "file", "web-identity", "instance-metadata"}},
      {.name = "access_key_id",
       .type = OptionType::kString,
       .help = "the access key whose secret is in secret_access_key_file"},
      {.name = "secret_access_key_file",
       .type = OptionType::kPath,
       .help = "the file that holds the secret access key"},
      {.name = "credentials_file",
       .type = OptionType::kPath,
       .help = "a shared credentials file in AWS's format"},
      {.name = "profile",
       .type = OptionType::kString,
       .help = "the section of the shared credentials file"},
      {.name = "role_arn", .type = OptionType::kString, .help = "the role of a web identity"},
      {.name = "web_identity_token_file",
       .type = OptionType::kPath,
       .help = "the file that holds a web identity's token"},
      {.name = "sts_url",
       .type = OptionType::kString,
       .help = "the service that exchanges the web identity's token, if it is not AWS's own STS"},
  };
}

// Options that imply where the credentials come from.
struct ImpliedKind {
  std::string_view option;
  CredentialKind kind;
};
constexpr ImpliedKind kImplied[] = {
    {"access_key_id", CredentialKind::kKeys},
    {"secret_access_key_file", CredentialKind::kKeys},
    {"credentials_file", CredentialKind::kFile},
    {"profile", CredentialKind::kFile},
    {"role_arn", CredentialKind::kWebIdentity},
    {"web_identity_token_file", CredentialKind::kWebIdentity},
    {"sts_url", CredentialKind::kWebIdentity},
};

std::optional<CredentialKind> WrittenKind(const config::Values& values) {
  const std::string text = values.Text("credentials", "auto");
  if (text == "environment") return CredentialKind::kEnvironment;
  if (text == "file") return CredentialKind::kFile;
  if (text == "web-identity") return CredentialKind::kWebIdentity;
  if (text == "instance-metadata") return CredentialKind::kInstanceMetadata;
  return std::nullopt;
}

Result<CredentialKind> KindOfCredentials(const config::Values& values) {
  const std::optional<CredentialKind> written = WrittenKind(values);
  std::optional<CredentialKind> kind = written;
  std::string_view decided_by = "credentials";
  for (const ImpliedKind& implied : kImplied) {
    if (!values.Has(implied.option)) continue;
    if (kind && *kind != implied.kind) {
      return values.Invalid(
          implied.option,
          fmt::format("{} and {} exclude each other; expected one source of credentials",
                      Quote(implied.option), Quote(decided_by)));
    }
    if (!kind) decided_by = implied.option;
    kind = implied.kind;
  }
  for (const auto& [option, other] : {std::pair("access_key_id", "secret_access_key_file"),
                                      std::pair("secret_access_key_file", "access_key_id")}) {
    if (values.Has(option) && !values.Has(other)) {
      return values.Invalid(
          option, fmt::format("{} without {}; expected both", Quote(option), Quote(other)));
    }
  }
  return kind.value_or(CredentialKind::kAuto);
}

// Text that is used verbatim in requests and host names.
bool IsWord(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

Result<void> CheckTexts(const config::Values& values) {
  if (values.Has("region") && !IsWord(values.Text("region"))) {
    return values.Invalid("region", fmt::format("\"region\" is {}; expected letters, digits and "
                                                "\"-\", e.g. \"eu-central-1\"",
                                                Quote(values.Text("region"))));
  }
  const std::string sts_url = values.Text("sts_url");
  if (values.Has("sts_url") && !sts_url.starts_with("https://") &&
      !sts_url.starts_with("http://")) {
    return values.Invalid(
        "sts_url", fmt::format("\"sts_url\" is {}; expected \"https://HOST\"", Quote(sts_url)));
  }
  return {};
}

}  // namespace

const std::vector<OptionSpec>& S3Options() {
  static const std::vector<OptionSpec> options = MakeS3Options();
  return options;
}

s3::Variables S3Variables(const config::Environment& environment) {
  s3::Variables variables;
  for (const auto& [name, value] : environment) {
    if (name.starts_with("AWS_") || name == "HOME") variables.emplace(name, value);
  }
  return variables;
}

Result<s3::Settings> ReadS3Settings(const config::Values& values,
                                    const config::Environment& environment) {
  s3::Settings settings;
  const std::string url = values.Text("url");
  if (!url.starts_with("s3:")) {
    for (const OptionSpec& option : S3Options()) {
      if (!values.Has(option.name)) continue;
      return values.Invalid(
          option.name,
          fmt::format(
              "{} is only for a repository on S3; expected a \"url\" that begins with \"s3:\"",
              Quote(option.name)));
    }
    return settings;
  }
  HF_TRY(CheckTexts(values));
  settings.region = values.Text("region");
  if (values.Text("style") == "path") settings.style = s3::Style::kPath;
  if (values.Text("style") == "virtual-host") settings.style = s3::Style::kVirtualHost;
  settings.ca_file = values.Text("ca");
  settings.connections =
      static_cast<unsigned>(values.Integer("connections", s3::kConnectionsDefault));
  HF_ASSIGN(settings.credentials.kind, KindOfCredentials(values));
  settings.credentials.access_key_id = values.Text("access_key_id");
  settings.credentials.secret_access_key_file = values.Text("secret_access_key_file");
  settings.credentials.file = values.Text("credentials_file");
  settings.credentials.profile = values.Text("profile");
  settings.credentials.role_arn = values.Text("role_arn");
  settings.credentials.web_identity_token_file = values.Text("web_identity_token_file");
  settings.credentials.sts_url = values.Text("sts_url");
  settings.credentials.variables = S3Variables(environment);
  if (Result<s3::Place> place = s3::ParsePlace(url, settings); !place) {
    return Fail(ErrorCode::kInvalidArgument,
                values.LocationOf("url").Text() + ": " + place.error().message(),
                place.error().hint());
  }
  return settings;
}

}  // namespace holdfast
