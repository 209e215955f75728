#include "common/storage/s3_storage.h"

#include <algorithm>
#include <functional>

#include "common/crypto/sha256.h"
#include "common/io/atomic_file.h"
#include "common/storage/open_storage.h"
#include "common/storage/retry_storage.h"
#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"
#include "tests/support/s3_server.h"
#include "tests/support/seeded_random.h"

namespace holdfast::s3 {
namespace {
using namespace std::chrono_literals;
using testing::ManualClock;
using testing::S3Fault;
using testing::S3Key;
using testing::S3Server;
using testing::S3ServerOptions;
using testing::Unwrap;

const FileName kConfigName{FileKind::kConfig, ""};
FileName Name(FileKind kind, char digit) { return {kind, std::string(64, digit)}; }
FileName PackOf(std::string_view content) {
  return {FileKind::kPack, HexEncode(crypto::Sha256Of(AsBytes(content)))};
}

struct Scene {
  ManualClock clock;
  testing::SeededRandom random;
  S3Server server;
  Settings settings;
  // Short in tests of a stalled server; otherwise long, because a busy machine looks stalled.
  std::chrono::milliseconds stall_timeout = 30s;
  int waits = 0;

  explicit Scene(S3ServerOptions options = {}) : server(std::move(options), clock) {
    settings.credentials = {.kind = CredentialKind::kEnvironment,
                            .variables = {{"AWS_ACCESS_KEY_ID", S3Server::kAccessKeyId},
                                          {"AWS_SECRET_ACCESS_KEY", S3Key{}.secret}}};
  }
  std::unique_ptr<S3Storage> Open(std::string_view prefix = "p") {
    return Unwrap(S3Storage::Open(server.url(prefix), settings,
                                  {.clock = &clock, .stall_timeout = stall_timeout}));
  }
  // Gives up after three retries.
  std::unique_ptr<Storage> OpenRetrying() {
    return std::make_unique<RetryStorage>(Open(), RetryPolicy{}, clock, random,
                                          [this](std::chrono::nanoseconds time) -> Result<void> {
                                            clock.Advance(time);
                                            if (++waits % 3 == 0) clock.Advance(15min);
                                            return {};
                                          });
  }
};

TEST_CASE("s3 storage: gives up soon on a server that never answers, and reports the cause") {
  Scene scene;
  const auto open = [&](std::string url) {
    return Unwrap(
        OpenStorage({.url = std::move(url), .s3 = scene.settings, .first_answer_within = 500ms}));
  };
  REQUIRE_FAILS(open("s3:http://127.0.0.1:1/backups")->Stat(kConfigName), ErrorCode::kUnavailable,
                "connection refused");
  // Otherwise the server rejects the request because of the clock, and that is an answer.
  scene.clock.Advance(SystemClock().Now() - scene.clock.Now());
  scene.server.Break(S3Fault::kStall);
  const auto stalled = open(scene.server.url("p"))->Stat(kConfigName);
  REQUIRE_FAILS(stalled, ErrorCode::kTimedOut, "");
  REQUIRE_THAT(stalled.error().message(), Catch::Matches(".*sent nothing for [0-9.]+m?s.*"));
}

TEST_CASE("s3 storage: files have the paths of restic's layout under the prefix") {
  Scene scene;
  const auto storage = scene.Open("a/b");
  REQUIRE(storage->location() == scene.server.url("a/b"));
  REQUIRE_OK(storage->Put(kConfigName, ToBytes("c"), PutMode::kCreate));
  REQUIRE_OK(storage->Put(PackOf("pack"), ToBytes("pack"), PutMode::kReplace));

  const std::string id = PackOf("pack").name;
  const std::map<std::string, std::string> expected = {
      {"a/b/config", "c"}, {"a/b/data/" + id.substr(0, 2) + "/" + id, "pack"}};
  REQUIRE(scene.server.files() == expected);
  REQUIRE(scene.server.violations().empty());
}

TEST_CASE("s3 storage: other objects under the prefix are not listed") {
  Scene scene;
  const auto storage = scene.Open();
  const std::string id(64, 'a');
  for (const std::string& key :
       {"p/index/" + id + ".tmp", "p/index/x/" + id, "p/data/bb/" + id, "p/data/" + id,
        "q/index/" + id, std::string("p/index/README & more")}) {
    scene.server.PutFile(key, "x");
  }
  for (FileKind kind : {FileKind::kIndex, FileKind::kPack}) {
    REQUIRE_OK(storage->List(kind, [](const FileInfo& info) -> Result<void> {
      return Fail(ErrorCode::kInternal, FilePath(info.name));
    }));
  }
}

TEST_CASE("s3 storage: creates a missing bucket in the configured region") {
  for (const char* region : {"us-east-1", "eu-west-1"}) {
    Scene scene({.region = region, .has_bucket = false});
    scene.settings.region = region;
    const auto storage = scene.Open();
    REQUIRE_FAILS(storage->Put(Name(FileKind::kLock, 'a'), Bytes(1), PutMode::kReplace),
                  ErrorCode::kNotFound, "holdfast-agent init");
    REQUIRE_OK(storage->Create());
    REQUIRE_OK(storage->Create());
    REQUIRE_OK(storage->Put(Name(FileKind::kLock, 'a'), Bytes(1), PutMode::kReplace));
  }
}

TEST_CASE("s3 storage: connections are reused") {
  Scene scene;
  const auto storage = scene.Open();
  for (int i = 0; i < 20; ++i) {
    REQUIRE_OK(storage->Put(Name(FileKind::kLock, 'a'), Bytes(100), PutMode::kReplace));
  }
  REQUIRE(scene.server.connections() == 1);
}

TEST_CASE("s3 storage: a pack whose content does not match its name is not stored") {
  Scene scene;
  const auto storage = scene.Open();
  REQUIRE_FAILS(storage->Put(Name(FileKind::kPack, 'a'), ToBytes("x"), PutMode::kReplace),
                ErrorCode::kCorrupt,
                "the content does not match its name: check this machine's memory");
  REQUIRE(scene.server.files().empty());
}

// One call of each kind; reads check their result.
struct Call {
  const char* name;
  std::function<Result<void>(Storage&)> make;
};
const std::vector<Call>& Calls() {
  static const std::vector<Call> calls = {
      {"put",
       [](Storage& storage) {
         return storage.Put(PackOf("new pack"), ToBytes("new pack"), PutMode::kReplace);
       }},
      {"create",
       [](Storage& storage) {
         return storage.Put(Name(FileKind::kKey, 'b'), ToBytes("key"), PutMode::kCreate);
       }},
      {"get",
       [](Storage& storage) -> Result<void> {
         HF_ASSIGN(const Bytes got, storage.Get(PackOf("0123456789"), {}));
         if (AsText(got) == "0123456789") return {};
         return Fail(ErrorCode::kInternal, "got something else");
       }},
      {"range",
       [](Storage& storage) -> Result<void> {
         HF_ASSIGN(const Bytes got, storage.Get(PackOf("0123456789"), {2, 6}));
         if (AsText(got) == "234567") return {};
         return Fail(ErrorCode::kInternal, "got something else");
       }},
      {"stat",
       [](Storage& storage) -> Result<void> {
         HF_ASSIGN(const FileInfo info, storage.Stat(PackOf("0123456789")));
         if (info.size == 10) return {};
         return Fail(ErrorCode::kInternal, "another size");
       }},
      {"list",
       [](Storage& storage) -> Result<void> {
         std::string seen;
         HF_TRY(storage.List(FileKind::kLock, [&](const FileInfo& info) -> Result<void> {
           seen += info.name.name[0];
           return {};
         }));
         if (seen == "abc") return {};
         return Fail(ErrorCode::kInternal, "listed " + seen);
       }},
      {"remove", [](Storage& storage) { return storage.Remove(Name(FileKind::kLock, 'c')); }},
  };
  return calls;
}

void Fill(Scene& scene) {
  const auto storage = scene.Open();
  REQUIRE_OK(storage->Put(PackOf("0123456789"), ToBytes("0123456789"), PutMode::kReplace));
  for (char digit : {'a', 'b', 'c'}) {
    REQUIRE_OK(storage->Put(Name(FileKind::kLock, digit), Bytes(1), PutMode::kReplace));
  }
}

TEST_CASE("s3 storage: recovers from any fault at any request, and does nothing twice") {
  for (S3Fault fault :
       {S3Fault::kSlowDown, S3Fault::kInternalError, S3Fault::kBadGateway, S3Fault::kHangUp,
        S3Fault::kAnswerLost, S3Fault::kTwice, S3Fault::kCutBody, S3Fault::kErrorIn200,
        S3Fault::kShortRange, S3Fault::kNotFoundPage, S3Fault::kNotFound}) {
    for (const Call& call : Calls()) {
      for (int request = 1; request <= 3; ++request) {
        INFO(call.name << ", fault " << static_cast<int>(fault) << " at request " << request);
        Scene scene({.page_size = 1});
        Fill(scene);
        const auto storage = scene.OpenRetrying();
        scene.server.Break(fault, "", "", request, request);
        REQUIRE_OK(call.make(*storage));
        REQUIRE(scene.server.violations().empty());
        scene.server.Repair();
        const std::string name = call.name;
        REQUIRE(scene.server.files().size() == (name == "put" || name == "create" ? 5U
                                                : name == "remove"                ? 3U
                                                                                  : 4U));
      }
    }
  }
}

TEST_CASE("s3 storage: a stalled request is abandoned and retried") {
  for (const Call& call : Calls()) {
    INFO(call.name);
    Scene scene;
    Fill(scene);
    scene.stall_timeout = 300ms;
    scene.server.Break(S3Fault::kStall, "", "", 1, 1);
    REQUIRE_FAILS(call.make(*scene.Open()), ErrorCode::kTimedOut, "sent nothing for");
    scene.server.Break(S3Fault::kStall, "", "", 1, 1);
    REQUIRE_OK(call.make(*scene.OpenRetrying()));
  }
}

TEST_CASE("s3 storage: the error for a server that stays broken names the request and the server") {
  Scene scene;
  scene.server.Break(S3Fault::kSlowDown);
  const Result<Bytes> got = scene.OpenRetrying()->Get(Name(FileKind::kKey, 'a'), {});
  REQUIRE_FAILS(got, ErrorCode::kUnavailable, "tried 4 times");
  REQUIRE_FAILS(got, ErrorCode::kUnavailable, "read \"keys/aaa");
  REQUIRE_FAILS(got, ErrorCode::kUnavailable, "127.0.0.1");
  REQUIRE_FAILS(got, ErrorCode::kUnavailable, "503 SlowDown");
}

// Runs `use` for each call, with a server that has files but answers every request with a 404 that
// does not say what is missing.
void WithStrange404s(const std::function<void(Scene&, const Call&, S3Fault)>& use) {
  for (const S3Fault fault : {S3Fault::kNotFoundPage, S3Fault::kNotFound}) {
    for (const Call& call : Calls()) {
      INFO(call.name << ", fault " << static_cast<int>(fault));
      Scene scene;
      Fill(scene);
      scene.server.Break(fault);
      use(scene, call, fault);
    }
  }
}

// What a proxy answers to any request while its server restarts.
TEST_CASE("s3 storage: a 404 that does not say what is missing does not mean absent") {
  WithStrange404s([](Scene& scene, const Call& call, S3Fault fault) {
    const Result<void> done = call.make(*scene.Open());
    REQUIRE_FAILS(done, ErrorCode::kUnavailable, "404");
    REQUIRE_THAT(done.error().hint(), Catch::Contains("a proxy"));
    scene.server.Repair();
    const auto storage = scene.OpenRetrying();
    REQUIRE_OK(storage->Stat(Name(FileKind::kLock, 'a')));
    scene.server.Break(fault);
    REQUIRE_FAILS(call.make(*storage), ErrorCode::kUnavailable, "tried 4 times");
    scene.server.Repair();
    REQUIRE(scene.server.files().size() == 4);
  });
}

TEST_CASE("s3 storage: nothing but 404s from the start means a wrong URL") {
  WithStrange404s([](Scene& scene, const Call& call, S3Fault fault) {
    const auto storage = scene.OpenRetrying();

    const Result<void> done = call.make(*storage);

    REQUIRE_FAILS(done, ErrorCode::kInvalidArgument, "404");
    REQUIRE_THAT(done.error().hint(), Catch::Contains("the URL"));
    REQUIRE(scene.waits == 3);
    // The next call is tried once. After an answer from S3, such 404s are retried.
    REQUIRE_FAILS(call.make(*storage), ErrorCode::kInvalidArgument, "404");
    REQUIRE(scene.waits == 3);
    scene.server.Repair();
    REQUIRE_OK(storage->Stat(Name(FileKind::kLock, 'a')));
    scene.server.Break(fault);
    REQUIRE_FAILS(call.make(*storage), ErrorCode::kUnavailable, "tried 4 times");
  });
}

TEST_CASE("s3 storage: a list that fails at a later page is an error") {
  Scene scene({.page_size = 1});
  Fill(scene);
  scene.server.Break(S3Fault::kNotFoundPage, "GET", "continuation-token", 2);
  std::size_t seen = 0;
  REQUIRE_FAILS(scene.Open()->List(FileKind::kLock,
                                   [&](const FileInfo&) -> Result<void> {
                                     ++seen;
                                     return {};
                                   }),
                ErrorCode::kUnavailable, "list \"locks\"");
  REQUIRE(seen == 2);
}

TEST_CASE("s3 storage: absence is confirmed with a request whose answer has a body") {
  Scene scene;
  Fill(scene);
  const auto storage = scene.Open();
  const FileName absent = Name(FileKind::kLock, 'd');
  REQUIRE_FAILS(storage->Stat(absent), ErrorCode::kNotFound, "NoSuchKey");
  REQUIRE_FAILS(storage->Remove(absent), ErrorCode::kNotFound, "NoSuchKey");
  REQUIRE_FAILS(storage->Get(absent, {}), ErrorCode::kNotFound, "NoSuchKey");

  // Also for an empty file, which has no first byte to request.
  scene.server.PutFile("p/" + FilePath(absent), "");
  for (const FileName& present : {Name(FileKind::kLock, 'a'), absent}) {
    scene.server.Break(S3Fault::kNotFound, "HEAD", "", 1, 1);
    REQUIRE_FAILS(storage->Stat(present), ErrorCode::kUnavailable, "404");
    scene.server.Break(S3Fault::kNotFound, "HEAD", "", 1, 1);
    REQUIRE_FAILS(storage->Remove(present), ErrorCode::kUnavailable, "404");
    scene.server.Break(S3Fault::kNotFound, "DELETE", "", 1, 1);
    REQUIRE_FAILS(storage->Remove(present), ErrorCode::kUnavailable, "404");
    scene.server.Repair();
    REQUIRE_OK(storage->Stat(present));
  }
}

TEST_CASE("s3 storage: a bucket that was seen is not reported as missing") {
  Scene scene;
  Fill(scene);
  const auto list = [](Storage& storage) {
    return storage.List(FileKind::kLock, [](const FileInfo&) -> Result<void> { return {}; });
  };
  const auto storage = scene.Open();
  scene.server.Break(S3Fault::kNoBucket);
  REQUIRE_OK(list(*storage));
  REQUIRE_FAILS(storage->Get(kConfigName, {}), ErrorCode::kNotFound, "NoSuchBucket");
  scene.server.Repair();
  SECTION("after a successful call") { REQUIRE_OK(storage->Stat(Name(FileKind::kLock, 'a'))); }
  SECTION("after an answer that a file is missing") {
    REQUIRE_FAILS(storage->Get(kConfigName, {}), ErrorCode::kNotFound, "NoSuchKey");
  }
  scene.server.Break(S3Fault::kNoBucket);
  REQUIRE_FAILS(list(*storage), ErrorCode::kUnavailable, "NoSuchBucket");
  for (const Call& call : Calls()) {
    INFO(call.name);
    REQUIRE_FAILS(call.make(*storage), ErrorCode::kUnavailable, "NoSuchBucket");
  }
}

TEST_CASE("s3 storage: a retry uses a new connection") {
  Scene scene;
  const auto storage = scene.Open();
  REQUIRE_FAILS(storage->Stat(kConfigName), ErrorCode::kNotFound, "");
  scene.server.Break(S3Fault::kInternalError);
  REQUIRE_FAILS(storage->Stat(kConfigName), ErrorCode::kUnavailable, "");
  REQUIRE_FAILS(storage->Stat(kConfigName), ErrorCode::kUnavailable, "");
  REQUIRE(scene.server.connections() == 2);
}

TEST_CASE("s3 storage: sends fewer requests to an overloaded server") {
  Scene scene;
  scene.settings.connections = 8;
  const auto storage = scene.Open();
  REQUIRE(storage->connections_max() == 8);
  scene.server.Break(S3Fault::kSlowDown);
  for (unsigned allowed : {4U, 2U, 1U, 1U}) {
    REQUIRE_FAILS(storage->Stat(kConfigName), ErrorCode::kUnavailable, "");
    REQUIRE(storage->connections_allowed() == allowed);
    scene.clock.Advance(1s);
  }
  scene.server.Repair();
  REQUIRE_OK(storage->Put(Name(FileKind::kLock, 'a'), Bytes(1), PutMode::kReplace));
  REQUIRE(storage->connections_allowed() == 2);
}

TEST_CASE("s3 storage: a wrong clock is corrected by the server's") {
  for (const std::chrono::seconds skew : {-93'600s, -1'200s, 2'400s, 31'536'000s}) {
    Scene scene({.clock_skew = skew});
    const auto storage = scene.Open();
    // HEAD, whose answer has no body, is corrected too.
    REQUIRE_FAILS(storage->Stat(kConfigName), ErrorCode::kNotFound, "");
    REQUIRE(scene.server.requests() == 3);  // rejected HEAD, HEAD, and the GET for the reason
    REQUIRE_OK(storage->Put(Name(FileKind::kLock, 'a'), Bytes(1), PutMode::kReplace));
    REQUIRE(scene.server.requests() == 4);
  }
}

struct Keys {
  TempDir directory = Unwrap(TempDir::Create("s3-keys"));
  std::string path = directory.path() + "/credentials";
  void Write(const std::string& id, const std::string& secret, const std::string& token) const {
    REQUIRE_OK(WriteFileAtomic(
        path,
        AsBytes(fmt::format("[default]\naws_access_key_id={}\naws_secret_access_key={}\n"
                            "aws_session_token={}\n",
                            id, secret, token)),
        0600));
  }
};

TEST_CASE("s3 storage: expired credentials are renewed without using up a retry") {
  Keys keys;
  Scene scene;
  scene.settings.credentials = {.kind = CredentialKind::kFile, .file = keys.path};
  keys.Write("ASIA1", "one", "t1");
  scene.server.SetKey("ASIA1",
                      {.secret = "one", .token = "t1", .expires_at = scene.clock.Now() + 1h});
  const auto storage = scene.Open();
  REQUIRE_OK(storage->Put(Name(FileKind::kLock, 'a'), Bytes(1), PutMode::kReplace));

  SECTION("if the answer says so") {
    keys.Write("ASIA2", "two", "t2");
    scene.server.SetKey("ASIA2", {.secret = "two", .token = "t2"});
    scene.clock.Advance(2h);
    REQUIRE_OK(storage->Get(Name(FileKind::kLock, 'a'), {}));
  }
  SECTION("if the answer has no body") {
    keys.Write("ASIA2", "two", "t2");
    scene.server.SetKey("ASIA2", {.secret = "two", .token = "t2"});
    scene.server.RemoveKey("ASIA1");
    REQUIRE_OK(storage->Stat(Name(FileKind::kLock, 'a')));
  }
  SECTION("if there are no others the error is not retried") {
    scene.clock.Advance(2h);
    const int before = scene.server.requests();
    REQUIRE_FAILS(storage->Get(Name(FileKind::kLock, 'a'), {}), ErrorCode::kDenied, "ExpiredToken");
    REQUIRE(scene.server.requests() == before + 1);
  }
}

TEST_CASE("s3 storage: no error shows a secret, even if the server's answer does") {
  Scene scene;
  const auto storage = scene.Open();
  const Result<Bytes> missing = storage->Get(Name(FileKind::kKey, 'a'), {});
  REQUIRE_FAILS(missing, ErrorCode::kNotFound, "the secret is ...");

  scene.settings.credentials.variables["AWS_SECRET_ACCESS_KEY"] = "hush-hush";
  const Result<Bytes> denied = scene.Open()->Get(Name(FileKind::kKey, 'a'), {});
  REQUIRE_FAILS(denied, ErrorCode::kDenied, "the secret access key is wrong");
  REQUIRE(denied.error().Text().find("hush-hush") == std::string::npos);
}

TEST_CASE("s3 storage: the reason for a rejected HEAD or DELETE is determined") {
  Scene scene;
  scene.settings.credentials.variables["AWS_SECRET_ACCESS_KEY"] = "hush-hush";
  const auto storage = scene.Open();
  REQUIRE_FAILS(storage->Stat(kConfigName), ErrorCode::kDenied, "SignatureDoesNotMatch");
  REQUIRE_FAILS(storage->Remove(Name(FileKind::kLock, 'a')), ErrorCode::kDenied,
                "SignatureDoesNotMatch");
}

TEST_CASE("s3 storage: an unknown key and a wrong region are reported") {
  Scene scene({.region = "eu-west-1"});
  REQUIRE_FAILS(scene.Open()->Get(Name(FileKind::kKey, 'a'), {}), ErrorCode::kInvalidArgument,
                "check `region`");
  scene.settings.region = "eu-west-1";
  scene.server.RemoveKey(S3Server::kAccessKeyId);
  REQUIRE_FAILS(scene.Open()->Get(Name(FileKind::kKey, 'a'), {}), ErrorCode::kDenied,
                "does not know the access key id");
}

TEST_CASE("s3 storage: MD5 is sent only to a bucket that requires it") {
  Scene plain;
  REQUIRE_OK(plain.Open()->Put(Name(FileKind::kLock, 'a'), Bytes(1), PutMode::kReplace));
  REQUIRE(plain.server.requests() == 1);

  Scene locked({.wants_md5 = true});
  const auto storage = locked.Open();
  REQUIRE_OK(storage->Put(Name(FileKind::kLock, 'a'), Bytes(1), PutMode::kReplace));
  REQUIRE_OK(storage->Put(Name(FileKind::kLock, 'b'), Bytes(1), PutMode::kReplace));
  REQUIRE(locked.server.requests() == 3);  // learned from the first rejection
}

TEST_CASE("s3 storage: a server without range support is not retried") {
  Scene scene;
  scene.server.PutFile("p/" + FilePath(PackOf("x")), std::string(1'000'000, 'x'));
  scene.server.Break(S3Fault::kWholeFile);
  REQUIRE_FAILS(scene.OpenRetrying()->Get(PackOf("x"), {2, 6}), ErrorCode::kUnsupported, "ranges");
}

TEST_CASE("s3 storage: an impossible list is corrupt") {
  Scene scene;
  scene.server.Break(S3Fault::kHostileList);
  REQUIRE_FAILS(scene.OpenRetrying()->List(FileKind::kLock,
                                           [](const FileInfo&) -> Result<void> { return {}; }),
                ErrorCode::kCorrupt, "list \"locks\"");
}

TEST_CASE("s3 storage: a stop ends a call") {
  Scene scene;
  std::stop_source stop;
  const auto storage = Unwrap(S3Storage::Open(scene.server.url(), scene.settings,
                                              {.clock = &scene.clock, .stop = stop.get_token()}));
  scene.server.Break(S3Fault::kStall);
  std::jthread stopper([&] { stop.request_stop(); });
  REQUIRE_FAILS(storage->Stat(kConfigName), ErrorCode::kCancelled, "stopped by request");
}

}  // namespace
}  // namespace holdfast::s3
