#include "common/storage/credential_sources.h"

#include <utility>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/io/fd.h"
#include "common/io/secret_file.h"
#include "common/storage/xml.h"

namespace holdfast::s3 {
namespace {

constexpr std::size_t kSecretFileBytesMax = 64U << 10;
constexpr std::size_t kCredentialAnswerBytesMax = 256U << 10;

std::string VariableOf(const Variables& variables, std::string_view name) {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string() : found->second;
}

// Keys are sent in headers, so a key with a character that headers do not allow is invalid.
Result<void> CheckKeys(const Credentials& credentials) {
  for (std::string_view text :
       {std::string_view(credentials.access_key_id), credentials.secret_access_key.Reveal(),
        credentials.session_token.Reveal()}) {
    for (char c : text) {
      if (c > ' ' && c <= '~') continue;
      return Fail(ErrorCode::kInvalidArgument, "a key with a space or control character in it");
    }
  }
  if (credentials.access_key_id.empty() != credentials.secret_access_key.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                credentials.access_key_id.empty()
                    ? "a secret access key without its access key id"
                    : "an access key id without its secret access key");
  }
  return {};
}

// Reads a file with one secret; drops surrounding white space.
Result<Secret> ReadSecretFile(const std::string& path) {
  HF_ASSIGN(Bytes bytes, ReadWholeFile(path, kSecretFileBytesMax));
  Secret text{std::string(Trim(AsText(bytes), kWhitespace))};
  std::fill(bytes.begin(), bytes.end(), std::uint8_t{0});
  if (text.empty()) return Fail(ErrorCode::kInvalidArgument, Quote(path) + " is empty");
  return text;
}

class ConfiguredKeys final : public CredentialSource {
 public:
  explicit ConfiguredKeys(const CredentialSettings& settings)
      : id_(settings.access_key_id), file_(settings.secret_access_key_file) {}
  std::string name() const override { return "the configuration"; }
  Result<std::optional<Credentials>> Load(std::stop_token) override {
    Credentials keys{.access_key_id = id_};
    HF_TRY(CheckSecretMode(file_, "secret access key"));
    HF_ASSIGN(keys.secret_access_key, ReadSecretFile(file_));
    HF_TRY(CheckKeys(keys));
    return keys;
  }

 private:
  const std::string id_;
  const std::string file_;
};

class EnvironmentKeys final : public CredentialSource {
 public:
  explicit EnvironmentKeys(const Variables& variables)
      : keys_{.access_key_id = VariableOf(variables, "AWS_ACCESS_KEY_ID"),
              .secret_access_key = Secret(VariableOf(variables, "AWS_SECRET_ACCESS_KEY")),
              .session_token = Secret(VariableOf(variables, "AWS_SESSION_TOKEN"))} {}
  std::string name() const override { return "the environment"; }
  Result<std::optional<Credentials>> Load(std::stop_token) override {
    HF_TRY(CheckKeys(keys_));
    if (keys_.access_key_id.empty()) return std::nullopt;
    return keys_;
  }

 private:
  const Credentials keys_;
};

class SharedFile final : public CredentialSource {
 public:
  SharedFile(const CredentialSettings& settings, bool is_required)
      : path_(settings.file), profile_(settings.profile), is_required_(is_required) {
    if (path_.empty()) path_ = VariableOf(settings.variables, "AWS_SHARED_CREDENTIALS_FILE");
    const std::string home = VariableOf(settings.variables, "HOME");
    if (path_.empty() && !home.empty()) path_ = home + "/.aws/credentials";
    if (profile_.empty()) profile_ = VariableOf(settings.variables, "AWS_PROFILE");
    if (profile_.empty()) profile_ = "default";
  }
  std::string name() const override {
    return path_.empty() ? "the credentials file" : "file " + Quote(path_);
  }
  Result<std::optional<Credentials>> Load(std::stop_token) override {
    if (path_.empty()) return std::nullopt;
    Result<Bytes> bytes = ReadWholeFile(path_, 1U << 20);
    if (!bytes && bytes.error().code() == ErrorCode::kNotFound && !is_required_) {
      return std::nullopt;
    }
    if (!bytes) {
      // The configuration names a file that does not exist: a retry does not help.
      const bool is_missing = bytes.error().code() == ErrorCode::kNotFound;
      return Fail(is_missing ? ErrorCode::kInvalidArgument : bytes.error().code(),
                  bytes.error().message());
    }
    HF_ASSIGN(auto found, ParseCredentialsFile(AsText(*bytes), profile_, path_));
    if (!found && is_required_) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("profile {} does not exist in {}", Quote(profile_), Quote(path_)));
    }
    return found;
  }

 private:
  std::string path_;
  std::string profile_;
  const bool is_required_;
};

// Sends a request to an HTTP credential service. Returns a reply of any status.
Result<HttpReply> Ask(HttpClientOptions options, const HttpRequest& request,
                      const std::stop_token& stop) {
  HF_ASSIGN(const std::unique_ptr<HttpClient> client, HttpClient::Create(std::move(options)));
  return client->Fetch(request, kCredentialAnswerBytesMax, stop);
}

class WebIdentity final : public CredentialSource {
 public:
  WebIdentity(const CredentialSettings& settings, const std::string& region, std::string ca_file)
      : role_(settings.role_arn),
        token_file_(settings.web_identity_token_file),
        url_(settings.sts_url),
        session_(VariableOf(settings.variables, "AWS_ROLE_SESSION_NAME")),
        ca_file_(std::move(ca_file)) {
    if (role_.empty()) role_ = VariableOf(settings.variables, "AWS_ROLE_ARN");
    if (token_file_.empty()) {
      token_file_ = VariableOf(settings.variables, "AWS_WEB_IDENTITY_TOKEN_FILE");
    }
    if (url_.empty()) url_ = VariableOf(settings.variables, "AWS_ENDPOINT_URL_STS");
    is_own_service_ = !url_.empty();
    if (url_.empty()) url_ = fmt::format("https://sts.{}.amazonaws.com", region);
    if (session_.empty()) session_ = "holdfast-agent";
  }
  std::string name() const override { return "web identity"; }

  Result<std::optional<Credentials>> Load(std::stop_token stop) override {
    // Services other than AWS's determine the role from the token.
    if (token_file_.empty() || (role_.empty() && !is_own_service_)) return std::nullopt;
    HF_ASSIGN(const Secret token, ReadSecretFile(token_file_));
    Query form = {{"Action", "AssumeRoleWithWebIdentity"},
                  {"Version", "2011-06-15"},
                  {"RoleSessionName", session_},
                  {"WebIdentityToken", std::string(token.Reveal())}};
    if (!role_.empty()) form.emplace_back("RoleArn", role_);
    // In the body, so that proxies do not log it.
    const Secret body(EncodeQuery(form));
    const HttpRequest request{
        .method = "POST",
        .url = url_.ends_with('/') ? url_ : url_ + "/",
        .headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
        .body = AsBytes(body.Reveal())};
    HttpClientOptions options;
    if (is_own_service_) options.ca_file = ca_file_;
    HF_ASSIGN(const HttpReply reply, Ask(std::move(options), request, stop));
    if (reply.status == 200) return ParseStsCredentials(AsText(reply.body));
    return Refusal(reply);
  }

 private:
  static std::unexpected<Error> Refusal(const HttpReply& reply) {
    std::string code;
    if (Result<XmlElement> answer = ParseXml(AsText(reply.body)); answer) {
      const XmlElement* error = answer->Find("Error");
      code = error == nullptr ? std::string_view() : error->TextOf("Code");
    }
    if (code.size() > 64) code.clear();
    const bool may_help = reply.status >= 500 || reply.status == 429 ||
                          code == "IDPCommunicationError" || code == "Throttling";
    return Fail(may_help ? ErrorCode::kUnavailable : ErrorCode::kDenied,
                fmt::format("STS answered {}{}", reply.status,
                            code.empty() ? "" : " (" + Quote(code) + ")"),
                may_help ? "" : "check role_arn, the token's age and the role's trust policy");
  }

  std::string role_;
  std::string token_file_;
  std::string url_;
  std::string session_;
  const std::string ca_file_;
  bool is_own_service_ = false;
};

class InstanceMetadata final : public CredentialSource {
 public:
  InstanceMetadata(const Variables& variables, bool is_required)
      : url_(VariableOf(variables, "AWS_EC2_METADATA_SERVICE_ENDPOINT")),
        is_disabled_(VariableOf(variables, "AWS_EC2_METADATA_DISABLED") == "true"),
        is_required_(is_required) {
    if (url_.empty()) url_ = "http://169.254.169.254";
    if (url_.ends_with('/')) url_.pop_back();
  }
  std::string name() const override { return "instance metadata"; }

  Result<std::optional<Credentials>> Load(std::stop_token stop) override {
    if (is_disabled_) return std::nullopt;
    Result<Credentials> asked = AskAll(stop);
    if (asked) return *std::move(asked);
    // On machines without this service, the request fails or another server answers.
    const bool is_absent = !has_answered_ && asked.error().code() != ErrorCode::kCancelled;
    if (is_absent && !is_required_) return std::nullopt;
    return Fail(std::move(asked).error());
  }

 private:
  Result<Credentials> AskAll(const std::stop_token& stop) {
    HF_ASSIGN(
        const std::string token,
        Text("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds", "21600"}, stop));
    const std::string path = "/latest/meta-data/iam/security-credentials/";
    const std::pair<std::string, std::string> header = {"X-aws-ec2-metadata-token", token};
    HF_ASSIGN(const std::string roles, Text("GET", path, header, stop));
    const std::string role(Trim(roles.substr(0, roles.find('\n')), kWhitespace));
    if (role.empty()) {
      return Fail(ErrorCode::kDenied, "the machine has no role", "attach an instance profile");
    }
    HF_ASSIGN(const std::string text, Text("GET", path + EncodeComponent(role), header, stop));
    HF_ASSIGN(Credentials credentials, ParseMetadataCredentials(text));
    has_answered_ = true;
    return credentials;
  }

  Result<std::string> Text(const std::string& method, const std::string& path,
                           const std::pair<std::string, std::string>& header,
                           const std::stop_token& stop) {
    HttpClientOptions options;
    options.connect_timeout = std::chrono::seconds(1);
    options.stall_timeout = std::chrono::seconds(5);
    HF_ASSIGN(
        const HttpReply reply,
        Ask(std::move(options), {.method = method, .url = url_ + path, .headers = {header}}, stop));
    if (reply.status == 200) return std::string(AsText(reply.body));
    return Fail(reply.status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kDenied,
                fmt::format("instance metadata answered {} to {}", reply.status, Quote(path)),
                reply.status == 404 ? "attach an instance profile to the machine" : "");
  }

  std::string url_;
  const bool is_disabled_;
  const bool is_required_;
  bool has_answered_ = false;  // the service exists, so its failures count
};

}  // namespace

Result<std::optional<Credentials>> ParseCredentialsFile(std::string_view text,
                                                        std::string_view profile,
                                                        std::string_view shown) {
  Credentials credentials;
  bool is_ours = false;
  bool was_there = false;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    const std::string_view line = Trim(text.substr(0, end), kWhitespace);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      is_ours = line.back() == ']' && Trim(line.substr(1, line.size() - 2)) == profile;
      was_there |= is_ours;
      continue;
    }
    if (!is_ours) continue;
    const std::size_t equals = line.find('=');
    if (equals == line.npos) {  // the line may be a secret: report only its number
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}:{}: expected \"name = value\"", shown, number));
    }
    const std::string_view name = Trim(line.substr(0, equals));
    const std::string value(Trim(line.substr(equals + 1)));
    if (name == "aws_access_key_id") credentials.access_key_id = value;
    if (name == "aws_secret_access_key") credentials.secret_access_key = Secret(value);
    if (name == "aws_session_token") credentials.session_token = Secret(value);
  }
  if (!was_there) return std::nullopt;
  Result<void> checked = CheckKeys(credentials);
  if (checked && credentials.access_key_id.empty()) {
    checked = Fail(ErrorCode::kInvalidArgument, "no aws_access_key_id",
                   "only access keys are read from this file");
  }
  if (!checked) {
    return Fail(std::move(checked).error().While(
        fmt::format("profile {} in {}", Quote(profile), Quote(shown))));
  }
  return credentials;
}

Result<Credentials> ParseMetadataCredentials(std::string_view text) {
  const nlohmann::json json = ParseJson(text);
  auto text_of = [&json](const char* name) -> std::string {
    const auto found = json.find(name);
    return found == json.end() || !found->is_string() ? "" : found->get<std::string>();
  };
  if (!json.is_object()) {
    return Fail(ErrorCode::kCorrupt, "instance metadata did not answer with a JSON object");
  }
  if (text_of("Code") != "Success") {
    return Fail(ErrorCode::kDenied, "instance metadata has no credentials for the machine's role",
                "check the instance profile and its role's trust policy");
  }
  const Result<WallTime> expires_at = ParseTime(text_of("Expiration"));
  Credentials credentials{.access_key_id = text_of("AccessKeyId"),
                          .secret_access_key = Secret(text_of("SecretAccessKey")),
                          .session_token = Secret(text_of("Token"))};
  if (!expires_at || !CheckKeys(credentials) || credentials.access_key_id.empty()) {
    return Fail(ErrorCode::kCorrupt, "instance metadata answered with incomplete credentials");
  }
  credentials.expires_at = *expires_at;
  return credentials;
}

Result<Credentials> ParseStsCredentials(std::string_view text) {
  HF_ASSIGN(const XmlElement answer, ParseXml(text));
  const XmlElement* result = answer.Find("AssumeRoleWithWebIdentityResult");
  const XmlElement* found = result == nullptr ? nullptr : result->Find("Credentials");
  if (found == nullptr) return Fail(ErrorCode::kCorrupt, "STS answered without credentials");
  const Result<WallTime> expires_at = ParseTime(found->TextOf("Expiration"));
  Credentials credentials{
      .access_key_id = std::string(found->TextOf("AccessKeyId")),
      .secret_access_key = Secret(std::string(found->TextOf("SecretAccessKey"))),
      .session_token = Secret(std::string(found->TextOf("SessionToken")))};
  if (!expires_at || !CheckKeys(credentials) || credentials.access_key_id.empty()) {
    return Fail(ErrorCode::kCorrupt, "STS answered with incomplete credentials");
  }
  credentials.expires_at = *expires_at;
  return credentials;
}

std::vector<std::unique_ptr<CredentialSource>> CredentialSources(const CredentialSettings& settings,
                                                                 const std::string& region,
                                                                 const std::string& ca_file) {
  const CredentialKind kind = settings.kind;
  const bool is_auto = kind == CredentialKind::kAuto;
  std::vector<std::unique_ptr<CredentialSource>> sources;
  if (kind == CredentialKind::kKeys) sources.push_back(std::make_unique<ConfiguredKeys>(settings));
  if (is_auto || kind == CredentialKind::kEnvironment) {
    sources.push_back(std::make_unique<EnvironmentKeys>(settings.variables));
  }
  if (is_auto || kind == CredentialKind::kWebIdentity) {
    sources.push_back(std::make_unique<WebIdentity>(settings, region, ca_file));
  }
  if (is_auto || kind == CredentialKind::kFile) {
    sources.push_back(std::make_unique<SharedFile>(settings, !is_auto));
  }
  if (is_auto || kind == CredentialKind::kInstanceMetadata) {
    sources.push_back(std::make_unique<InstanceMetadata>(settings.variables, !is_auto));
  }
  return sources;
}

}  // namespace holdfast::s3
