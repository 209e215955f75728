#include "common/storage/credentials.h"

#include <sys/stat.h>

#include <atomic>

#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/loopback_http.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"

namespace holdfast::s3 {
namespace {
using namespace std::chrono_literals;
using testing::LoopbackHttp;
using testing::ManualClock;
using testing::ServedAnswer;
using testing::ServedRequest;
using testing::Unwrap;

// Returns what the test sets, and counts the loads.
class ScriptedSource final : public CredentialSource {
 public:
  struct Script {
    Result<std::optional<Credentials>> next = std::optional<Credentials>();
    int loads = 0;
  };
  explicit ScriptedSource(Script& script) : script_(script) {}
  std::string name() const override { return "a script"; }
  Result<std::optional<Credentials>> Load(std::stop_token) override {
    ++script_.loads;
    return script_.next;
  }

 private:
  Script& script_;
};

// A cache that has loaded the credentials "one".
struct Cached {
  explicit Cached(std::optional<std::chrono::minutes> lifetime = {}) {
    Offer("one", lifetime);
    REQUIRE(Id() == "one");
  }
  ScriptedSource::Script script;
  ManualClock clock;
  CredentialCache cache{Sources(), clock};
  std::vector<std::unique_ptr<CredentialSource>> Sources() {
    std::vector<std::unique_ptr<CredentialSource>> sources;
    sources.push_back(std::make_unique<ScriptedSource>(script));
    return sources;
  }
  void Offer(const std::string& id, std::optional<std::chrono::minutes> lifetime = {}) {
    Credentials next{.access_key_id = id, .secret_access_key = Secret("secret")};
    if (lifetime) next.expires_at = clock.Now() + *lifetime;
    script.next = next;
  }
  std::string Id() { return Unwrap(cache.Get({})).access_key_id; }
};

TEST_CASE("credentials: credentials that do not expire are loaded once") {
  Cached cached;
  cached.clock.Advance(10'000h);
  REQUIRE(cached.Id() == "one");
  REQUIRE(cached.script.loads == 1);
}

TEST_CASE("credentials: renewed five minutes before they expire") {
  Cached cached(60min);
  cached.Offer("two", 120min);

  cached.clock.Advance(55min - 1s);
  REQUIRE(cached.Id() == "one");
  cached.clock.Advance(1s);
  REQUIRE(cached.Id() == "two");
  REQUIRE(cached.script.loads == 2);
}

TEST_CASE("credentials: if renewing fails, the old ones are used until they expire") {
  Cached cached(60min);
  cached.script.next = Fail(ErrorCode::kUnavailable, "nobody answers");

  cached.clock.Advance(56min);
  REQUIRE(cached.Id() == "one");
  REQUIRE(cached.Id() == "one");  // is not retried at once
  REQUIRE(cached.script.loads == 2);
  cached.clock.Advance(31s);
  REQUIRE(cached.Id() == "one");
  REQUIRE(cached.script.loads == 3);
  cached.clock.Advance(5min);
  REQUIRE_FAILS(cached.cache.Get({}), ErrorCode::kUnavailable, "credentials of a script: nobody");
}

TEST_CASE("credentials: credentials that the server rejected are loaded again") {
  Cached cached(60min);
  const Credentials one = Unwrap(cached.cache.Get({}));
  cached.Offer("two", 60min);

  cached.cache.Invalidate(one);
  REQUIRE(cached.Id() == "two");
  cached.cache.Invalidate(one);  // another thread's rejection arrives late
  REQUIRE(cached.Id() == "two");
  REQUIRE(cached.script.loads == 2);
}

TEST_CASE("credentials: if none are found the error names the places searched") {
  const TempDir home = Unwrap(TempDir::Create("credentials"));
  ManualClock clock;
  CredentialSettings settings;
  settings.variables = {{"HOME", home.path()}, {"AWS_EC2_METADATA_DISABLED", "true"}};
  CredentialCache cache(CredentialSources(settings, "us-east-1", ""), clock);
  REQUIRE_FAILS(cache.Get({}), ErrorCode::kInvalidArgument,
                "no S3 credentials in the environment, web identity, file \"" + home.path() +
                    "/.aws/credentials\", instance metadata");
}

Result<Credentials> Find(const CredentialSettings& settings) {
  ManualClock clock;
  return CredentialCache(CredentialSources(settings, "eu-west-1", ""), clock).Get({});
}

struct Files {
  TempDir directory = Unwrap(TempDir::Create("credentials"));
  std::string Write(const std::string& name, std::string_view text) const {
    const std::string path = directory.path() + "/" + name;
    REQUIRE_OK(WriteFileAtomic(path, AsBytes(text), 0600));
    return path;
  }
};

TEST_CASE("credentials: without configuration, the environment takes precedence") {
  CredentialSettings settings;
  settings.variables = {
      {"AWS_ACCESS_KEY_ID", "AKIA1"}, {"AWS_SECRET_ACCESS_KEY", "s1"}, {"AWS_SESSION_TOKEN", "t1"}};
  const Credentials found = Unwrap(Find(settings));
  REQUIRE(found.access_key_id == "AKIA1");
  REQUIRE(found.secret_access_key.Reveal() == "s1");
  REQUIRE(found.session_token.Reveal() == "t1");
  REQUIRE_FALSE(found.expires_at);

  settings.variables.erase("AWS_SECRET_ACCESS_KEY");
  REQUIRE_FAILS(Find(settings), ErrorCode::kInvalidArgument, "without its secret access key");
}

TEST_CASE("credentials: configured keys are read from a file without surrounding white space") {
  Files files;
  CredentialSettings settings{.kind = CredentialKind::kKeys,
                              .access_key_id = "AKIA2",
                              .secret_access_key_file = files.Write("secret", "  s2\n")};
  REQUIRE(Unwrap(Find(settings)).secret_access_key.Reveal() == "s2");

  REQUIRE(::chmod(settings.secret_access_key_file.c_str(), 0640) == 0);
  REQUIRE_FAILS(Find(settings), ErrorCode::kDenied, "accessible to group or others");
  settings.secret_access_key_file = files.Write("empty", "\n");
  REQUIRE_FAILS(Find(settings), ErrorCode::kInvalidArgument, "is empty");
  settings.secret_access_key_file = files.Write("odd", "hush hush");
  const auto odd = Find(settings);
  REQUIRE_FAILS(odd, ErrorCode::kInvalidArgument, "space or control");
  REQUIRE(odd.error().Text().find("hush") == std::string::npos);
}

TEST_CASE("credentials: reads one section of a shared file and never shows a line of it") {
  constexpr std::string_view kText =
      "# comment\n[default]\naws_access_key_id = AKIA3\r\naws_secret_access_key=s/3+=\n"
      "; other\n[ backup ]\naws_access_key_id=AKIA4\naws_secret_access_key = s4\n"
      "aws_session_token = t4\nregion = "
      "x\n[half]\naws_secret_access_key=hush\n[bad]\nhush\n[none]\n";
  const auto of = [&](std::string_view profile) {
    return ParseCredentialsFile(kText, profile, "file");
  };
  REQUIRE(Unwrap(of("default"))->secret_access_key.Reveal() == "s/3+=");
  REQUIRE(Unwrap(of("default"))->session_token.empty());
  REQUIRE(Unwrap(of("backup"))->session_token.Reveal() == "t4");
  REQUIRE_FALSE(Unwrap(of("other")));
  REQUIRE_FAILS(of("half"), ErrorCode::kInvalidArgument, "without its access key id");
  REQUIRE_FAILS(of("bad"), ErrorCode::kInvalidArgument, "file:14: expected");
  REQUIRE_FAILS(of("none"), ErrorCode::kInvalidArgument, "no aws_access_key_id");
  for (const char* profile : {"half", "bad"}) {
    REQUIRE(of(profile).error().Text().find("hush") == std::string::npos);
  }
}

TEST_CASE("credentials: a configured shared file must exist, the default one may be missing") {
  Files files;
  CredentialSettings settings{.kind = CredentialKind::kFile,
                              .file = files.directory.path() + "/none"};
  REQUIRE_FAILS(Find(settings), ErrorCode::kInvalidArgument, "none");
  settings.file = files.Write("there", "[a]\naws_access_key_id=A\naws_secret_access_key=S\n");
  REQUIRE_FAILS(Find(settings), ErrorCode::kInvalidArgument, "profile \"default\"");
  settings.variables["AWS_PROFILE"] = "a";
  REQUIRE(Unwrap(Find(settings)).access_key_id == "A");
}

TEST_CASE("credentials: instance metadata is requested with a session token") {
  std::vector<std::string> seen;
  LoopbackHttp server([&](const ServedRequest& request) -> ServedAnswer {
    const std::string* token = request.Header("x-aws-ec2-metadata-token");
    seen.push_back(request.method + " " + request.target);
    if (request.method == "PUT") {
      return {
          .status = request.Header("x-aws-ec2-metadata-token-ttl-seconds") != nullptr ? 200 : 400,
          .body = "TOKEN"};
    }
    if (token == nullptr || *token != "TOKEN") return {.status = 401};
    if (request.target.ends_with("/")) return {.body = "backup role\n"};
    return {.body = R"({"Code":"Success","AccessKeyId":"ASIA","SecretAccessKey":"s",)"
                    R"("Token":"t","Expiration":"2030-01-02T03:04:05Z"})"};
  });
  const CredentialSettings settings{
      .kind = CredentialKind::kInstanceMetadata,
      .variables = {{"AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url() + "/"}}};

  const Credentials found = Unwrap(Find(settings));

  REQUIRE(found.access_key_id == "ASIA");
  REQUIRE(found.expires_at == *ParseTime("2030-01-02T03:04:05Z"));
  REQUIRE(seen == std::vector<std::string>{
                      "PUT /latest/api/token", "GET /latest/meta-data/iam/security-credentials/",
                      "GET /latest/meta-data/iam/security-credentials/backup%20role"});
}

TEST_CASE("credentials: missing instance metadata is skipped unless it is configured") {
  LoopbackHttp server([](const ServedRequest&) -> ServedAnswer { return {.status = 404}; });
  CredentialSettings settings;
  settings.variables = {{"AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url()}};
  REQUIRE_FAILS(Find(settings), ErrorCode::kInvalidArgument, "no S3 credentials");
  settings.kind = CredentialKind::kInstanceMetadata;
  REQUIRE_FAILS(Find(settings), ErrorCode::kDenied, "answered 404");
  settings.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1";
  REQUIRE_FAILS(Find(settings), ErrorCode::kUnavailable, "127.0.0.1:1");
}

TEST_CASE("credentials: incomplete metadata is refused") {
  REQUIRE_FAILS(ParseMetadataCredentials("<html>"), ErrorCode::kCorrupt,
                "did not answer with a JSON object");
  REQUIRE_FAILS(ParseMetadataCredentials("[1]"), ErrorCode::kCorrupt,
                "did not answer with a JSON object");
  REQUIRE_FAILS(ParseMetadataCredentials(R"({"Code":"Failed","SecretAccessKey":"hush"})"),
                ErrorCode::kDenied, "no credentials");
  REQUIRE_FAILS(ParseMetadataCredentials(R"({"Code":"Success","AccessKeyId":"A"})"),
                ErrorCode::kCorrupt, "incomplete");
  REQUIRE_FAILS(ParseMetadataCredentials(R"({"Code":"Success","AccessKeyId":"A","Token":5,)"
                                         R"("SecretAccessKey":"s","Expiration":"soon"})"),
                ErrorCode::kCorrupt, "incomplete");
}

TEST_CASE("credentials: a web identity token is exchanged in the request body") {
  Files files;
  std::string body;
  LoopbackHttp server([&](const ServedRequest& request) -> ServedAnswer {
    body = request.body;
    if (request.method != "POST" || request.target != "/") return {.status = 400};
    return {.body =
                "<AssumeRoleWithWebIdentityResponse xmlns='x'><AssumeRoleWithWebIdentityResult>"
                "<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                "<SessionToken>t</SessionToken><Expiration>2030-01-02T03:04:05Z</Expiration>"
                "</Credentials></AssumeRoleWithWebIdentityResult>"
                "</AssumeRoleWithWebIdentityResponse>"};
  });
  const CredentialSettings settings{.kind = CredentialKind::kWebIdentity,
                                    .role_arn = "arn:aws:iam::1:role/backup",
                                    .web_identity_token_file = files.Write("token", "a.b/c\n"),
                                    .sts_url = server.url()};

  REQUIRE(Unwrap(Find(settings)).session_token.Reveal() == "t");
  REQUIRE(body ==
          "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fbackup&"
          "RoleSessionName=holdfast-agent&Version=2011-06-15&WebIdentityToken=a.b%2Fc");
}

TEST_CASE("credentials: a refusal by STS is reported with its code, without the token") {
  Files files;
  std::atomic<int> status = 400;
  LoopbackHttp server([&](const ServedRequest&) -> ServedAnswer {
    return {.status = status,
            .body =
                "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>hush"
                "</Message></Error></ErrorResponse>"};
  });
  const CredentialSettings settings{.kind = CredentialKind::kWebIdentity,
                                    .role_arn = "r",
                                    .web_identity_token_file = files.Write("token", "hush"),
                                    .sts_url = server.url()};
  const auto refused = Find(settings);
  REQUIRE_FAILS(refused, ErrorCode::kDenied, "STS answered 400 (\"ExpiredTokenException\")");
  REQUIRE(refused.error().Text().find("hush") == std::string::npos);
  status = 503;
  REQUIRE_FAILS(Find(settings), ErrorCode::kUnavailable, "503");

  REQUIRE_FAILS(ParseStsCredentials("<a/>"), ErrorCode::kCorrupt, "without credentials");
  REQUIRE_FAILS(ParseStsCredentials("hello"), ErrorCode::kCorrupt, "XML");
}

}  // namespace
}  // namespace holdfast::s3
