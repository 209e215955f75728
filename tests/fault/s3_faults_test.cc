// Everything that changes a repository, over S3, while the service fails. Whichever request fails
// and however, the operation succeeds in the end or fails with a clear error, and existing data
// stays intact.

#include "common/repository/maintain/pack_repair.h"
#include "common/storage/retry_storage.h"
#include "common/storage/s3_storage.h"
#include "tests/support/catch.h"
#include "tests/support/operations.h"
#include "tests/support/s3_server.h"

namespace holdfast::s3 {
namespace {
using namespace std::chrono_literals;
using namespace holdfast::testing;

const std::string kPrefix = "p/";

struct Service {
  explicit Service(OperationScene& from, S3ServerOptions options = {})
      : scene(from), server(std::move(options), from.clock) {
    settings.credentials = {.kind = CredentialKind::kEnvironment,
                            .variables = {{"AWS_ACCESS_KEY_ID", S3Server::kAccessKeyId},
                                          {"AWS_SECRET_ACCESS_KEY", S3Key{}.secret}}};
    scene.Reset();
    for (FileKind kind : {FileKind::kConfig, FileKind::kKey, FileKind::kPack, FileKind::kIndex,
                          FileKind::kSnapshot, FileKind::kLock}) {
      Unwrap(scene.storage.List(kind, [&](const FileInfo& file) -> Result<void> {
        HF_ASSIGN(const Bytes content, scene.storage.Get(file.name, {}));
        server.PutFile(kPrefix + FilePath(file.name), std::string(AsText(content)));
        return {};
      }));
    }
  }

  // Opened as by the agent, but waiting takes no time and ends after three attempts.
  std::unique_ptr<Storage> Open() {
    auto storage = Unwrap(S3Storage::Open(server.url("p"), settings,
                                          {.clock = &scene.clock, .stall_timeout = stall_timeout}));
    return std::make_unique<RetryStorage>(
        std::move(storage), RetryPolicy{.total = std::chrono::seconds(30)}, clock_of_tries,
        scene.random, [this](std::chrono::nanoseconds) -> Result<void> {
          clock_of_tries.Advance(12s);
          return {};
        });
  }

  // Copies the server's files to memory, where checks are cheaper.
  void Fetch(MemoryStorage& left) const {
    for (const auto& [key, content] : server.files()) {
      const std::string path = key.substr(kPrefix.size());
      FileName name{FileKind::kConfig, ""};
      for (FileKind kind : {FileKind::kKey, FileKind::kPack, FileKind::kIndex, FileKind::kSnapshot,
                            FileKind::kLock}) {
        const std::string folder = std::string(FileKindName(kind)) + "/";
        if (path.starts_with(folder)) name = {kind, path.substr(path.rfind('/') + 1)};
      }
      Unwrap(left.Put(name, AsBytes(content), PutMode::kReplace));
    }
  }

  OperationScene& scene;
  // Short only to detect a stalled service; otherwise a busy machine would look like one.
  std::chrono::milliseconds stall_timeout = 30s;
  ManualClock clock_of_tries;
  S3Server server;
  Settings settings;
};

void RequireSound(Service& service, const Operation& operation) {
  service.server.Repair();
  REQUIRE(service.server.violations() == std::vector<std::string>{});
  MemoryStorage left;
  service.Fetch(left);
  REQUIRE(service.scene.Check(left) == std::vector<std::string>{});
  (void)service.scene.RequireSnapshots(left, operation.forgets);
}

constexpr S3Fault kPassing[] = {
    S3Fault::kSlowDown,   S3Fault::kInternalError, S3Fault::kBadGateway,   S3Fault::kHangUp,
    S3Fault::kAnswerLost, S3Fault::kTwice,         S3Fault::kCutBody,      S3Fault::kStall,
    S3Fault::kErrorIn200, S3Fault::kShortRange,    S3Fault::kNotFoundPage, S3Fault::kNotFound,
};

TEST_CASE("s3 faults: a single failure of any request does not fail the operation") {
  OperationScene scene;
  for (std::size_t i = 0; i < std::size(kOperations); ++i) {
    const Operation& operation = kOperations[i];
    bool was_hit = true;
    for (int request = 1; was_hit; ++request) {
      REQUIRE(request < 300);
      // Varies the fault by request and operation instead of running all combinations.
      const S3Fault fault =
          kPassing[(static_cast<std::size_t>(request) + 3 * i) % std::size(kPassing)];
      INFO(operation.name << ", request " << request << ", fault " << static_cast<int>(fault));
      Service service(scene);
      if (fault == S3Fault::kStall) service.stall_timeout = 300ms;
      service.server.Break(fault, "", "", request, request);
      REQUIRE_OK(operation.run(scene, service.Open()));
      was_hit = service.server.requests() >= request;
      RequireSound(service, operation);
    }
  }
}

TEST_CASE("s3 faults: a service that fails from any request on loses no existing data") {
  OperationScene scene;
  for (const Operation& operation : kOperations) {
    const S3Fault faults[] = {S3Fault::kSlowDown,   S3Fault::kHangUp,  S3Fault::kErrorIn200,
                              S3Fault::kAnswerLost, S3Fault::kCutBody, S3Fault::kNotFoundPage};
    bool was_done = false;
    for (int request = 1; !was_done; request += 3) {
      REQUIRE(request < 300);
      const S3Fault fault = faults[static_cast<std::size_t>(request / 3) % std::size(faults)];
      INFO(operation.name << ", from request " << request << ", fault " << static_cast<int>(fault));
      Service service(scene);
      service.server.Break(fault, "", "", request);
      const Result<void> done = operation.run(scene, service.Open());
      if (!done) REQUIRE_FALSE(done.error().message().empty());
      was_done = done.has_value();
      RequireSound(service, operation);
      REQUIRE_OK(RunUnlock(scene, service.Open()));
      REQUIRE_OK(operation.run(scene, service.Open()));
      RequireSound(service, operation);
    }
  }
}

// If they were, a list or one of its files would seem to be missing.
TEST_CASE("s3 faults: a proxy's own 404s are never mistaken for missing files") {
  OperationScene scene;
  for (const Operation& operation : kOperations) {
    bool was_hit = true;
    for (int request = 1; was_hit; ++request) {
      REQUIRE(request < 300);
      const S3Fault fault = request % 2 == 0 ? S3Fault::kNotFound : S3Fault::kNotFoundPage;
      INFO(operation.name << ", from request " << request << ", fault " << static_cast<int>(fault));
      Service service(scene);
      service.server.Break(fault, "", "", request, request + 1);
      REQUIRE_OK(operation.run(scene, service.Open()));
      was_hit = service.server.requests() >= request;
      RequireSound(service, operation);
    }
  }
}

TEST_CASE("s3 faults: a prune that cannot list or read snapshots removes none of their data") {
  OperationScene scene;
  const Operation& prune = kOperations[2];
  REQUIRE(std::string(prune.name) == "prune");
  // Fails the list, the first snapshot, the second snapshot, or all requests.
  const std::pair<int, int> requests[] = {{1, 4}, {2, 5}, {3, 6}, {1, 1 << 30}};
  for (const auto& [first, last] : requests) {
    INFO("requests " << first << " to " << last);
    Service service(scene);
    service.server.Break(S3Fault::kNotFoundPage, "GET", "snapshots", first, last);
    REQUIRE_FAILS(prune.run(scene, service.Open()), ErrorCode::kUnavailable, "404");
    RequireSound(service, prune);
  }
}

// E.g. a lifecycle rule archives packs. They are intact and can be restored from the archive.
TEST_CASE("s3 faults: packs in an archive storage class are reported and left unchanged") {
  OperationScene scene;
  Service service(scene);
  const auto before = service.server.files();
  std::vector<repository::Id> packs;
  for (const auto& [key, content] : before) {
    if (!key.starts_with(kPrefix + "data/")) continue;
    packs.push_back(Unwrap(repository::ParseId(key.substr(key.rfind('/') + 1))));
  }
  service.server.Break(S3Fault::kArchived, "GET", "/data/");
  auto repository = Unwrap(OpenFor(scene, service.Open()));
  Progress progress;

  const repository::CheckReport report =
      Unwrap(CheckRepository(*repository, {.read_data = true}, progress, {}));
  std::string errors;
  std::string hints;
  for (const std::string& error : report.errors) errors += error + "\n";
  for (const std::string& hint : report.hints) hints += hint + "\n";
  std::size_t named = 0;
  for (const repository::Id& pack : packs) {
    if (errors.find("pack " + pack.Hex() + " cannot be read: ") != std::string::npos) ++named;
  }
  REQUIRE(named == packs.size() - 1);  // one is in no index
  REQUIRE_THAT(errors, Catch::Contains("InvalidObjectState"));
  REQUIRE_THAT(errors, !Catch::Contains("damaged"));
  REQUIRE_THAT(hints,
               Catch::Contains("the file is in an archive storage class: first restore it and all "
                               "similar files, and exclude the repository from lifecycle rules"));
  REQUIRE_THAT(hints, !Catch::Contains("repair"));
  REQUIRE_THAT(hints, !Catch::Contains("rehash"));

  REQUIRE_FAILS(repository::RepairPacks(*repository, packs, {}, progress, {}),
                ErrorCode::kUnsupported, "InvalidObjectState");
  REQUIRE_FAILS(repository::RepairIndex(*repository, {.read_all_packs = true}, progress, {}),
                ErrorCode::kUnsupported, "InvalidObjectState");
  REQUIRE_FAILS(RunPrune(scene, service.Open()), ErrorCode::kUnsupported, "InvalidObjectState");
  REQUIRE(service.server.files() == before);
}

TEST_CASE("s3 faults: all operations work with a wrong clock") {
  OperationScene scene;
  for (const std::chrono::seconds skew : {-86'400s, 3600s}) {
    for (const Operation& operation : kOperations) {
      INFO(operation.name << ", " << skew.count());
      Service service(scene, {.clock_skew = skew});
      REQUIRE_OK(operation.run(scene, service.Open()));
      RequireSound(service, operation);
    }
  }
}

TEST_CASE("s3 faults: credentials that expire during an operation are an error and do no harm") {
  for (const Operation& operation : kOperations) {
    OperationScene scene;
    bool was_done = false;
    for (int request = 1; !was_done; request += 4) {
      REQUIRE(request < 300);
      INFO(operation.name << ", from request " << request);
      Service service(scene);
      service.server.Break(S3Fault::kExpiredToken, "", "", request);
      const Result<void> done = operation.run(scene, service.Open());
      if (!done) REQUIRE_FAILS(done, ErrorCode::kDenied, "ExpiredToken");
      was_done = done.has_value();
      RequireSound(service, operation);
    }
  }
}

}  // namespace
}  // namespace holdfast::s3
