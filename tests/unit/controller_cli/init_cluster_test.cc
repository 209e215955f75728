#include "controller/cli/init_cluster.h"

#include <sys/stat.h>

#include <filesystem>

#include "common/base/format.h"
#include "common/bus/curve_key.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/trust/key_file.h"
#include "common/trust/root_document.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

using namespace holdfast;
using namespace holdfast::cli;
using holdfast::testing::Unwrap;

namespace {

struct Place {
  InitClusterOptions Options() const {
    InitClusterOptions options;
    options.directory = directory.path() + "/new";
    options.cluster = "prod";
    options.host = "backup-1.example";
    options.operators = {"anna"};
    return options;
  }
  Result<InitClusterReport> Init(const InitClusterOptions& options) {
    return InitCluster(options, random, clock);
  }
  std::size_t Entries() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory.path()),
                      std::filesystem::directory_iterator()));
  }
  TempDir directory = Unwrap(TempDir::Create("init-cluster"));
  SystemRandom random;
  SystemClock clock;
};

unsigned ModeOf(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777U;
}

std::string Text(const std::string& path) {
  return std::string(AsText(Unwrap(ReadWholeFile(path))));
}

}  // namespace

TEST_CASE("init cluster: every key of the root document is in its owner's directory") {
  Place place;
  InitClusterOptions options = place.Options();
  options.operators = {"anna", "ben"};

  InitClusterReport report = Unwrap(place.Init(options));

  const std::string& controller = report.controller_directory;
  auto root =
      Unwrap(trust::RootDocument::Load(Unwrap(ReadWholeFile(controller + "/root.holdfast"))));
  CHECK(root.cluster() == "prod");
  CHECK(root.cluster_id() == report.cluster_id);
  CHECK(root.version() == 1);
  const WallTime now = place.clock.Now();
  auto holds = [&](const std::string& file, v1::Role role, const std::string& person) {
    crypto::SigningKey key = Unwrap(trust::ReadSigningKeyFile(file));
    CHECK(Unwrap(root.KeyFor(key.id(), role, now))->person == person);
    CHECK(ModeOf(file) == 0600);
  };
  holds(controller + "/controller.key", v1::ROLE_CONTROLLER, "");
  REQUIRE(report.operators.size() == 2);
  for (const auto& person : report.operators) {
    holds(person.directory + "/operator.key", v1::ROLE_OPERATOR, person.name);
    holds(person.root_key_file, v1::ROLE_ROOT, person.name);
    bus::CurveKeys curve = Unwrap(bus::LoadCurveKeys(person.directory + "/operator.curve"));
    CHECK_THAT(Text(controller + "/controller.yaml"),
               Catch::Contains(bus::CurveKeyText(curve.public_key)));
  }
  bus::CurveKeys bus = Unwrap(bus::LoadCurveKeys(controller + "/bus.curve"));
  CHECK(root.bus_key() == bus.public_key);
  CHECK(ModeOf(report.directory) == 0700);
}

TEST_CASE(
    "init cluster: thresholds are as requested, and orders of a single operator are warned about") {
  Place place;
  InitClusterOptions options = place.Options();
  options.operators = {"anna", "ben", "cleo"};
  options.root_threshold = 2;
  options.restore_in_place_operators = 2;

  InitClusterReport report = Unwrap(place.Init(options));

  auto root = Unwrap(trust::RootDocument::Load(
      Unwrap(ReadWholeFile(report.controller_directory + "/root.holdfast"))));
  CHECK(root.OperatorsNeeded(v1::ORDER_KIND_RESTORE) == 1);
  CHECK(root.OperatorsNeeded(v1::ORDER_KIND_RESTORE_IN_PLACE) == 2);
  CHECK(root.document().root_threshold() == 2);
  REQUIRE(report.warnings.size() == 2);
  CHECK_THAT(report.warnings[0], Catch::Contains("--restore-operators"));
  CHECK_THAT(report.warnings[1], Catch::Contains("not encrypted"));
}

TEST_CASE("init cluster: each key is encrypted with its owner's passphrase") {
  Place place;
  InitClusterOptions options = place.Options();
  options.passphrase = [](const std::string& person) -> Result<Secret> {
    return Secret("secret of " + person);
  };

  InitClusterReport report = Unwrap(place.Init(options));

  const std::string file = report.operators[0].directory + "/operator.key";
  REQUIRE_FAILS(trust::ReadSigningKeyFile(file), ErrorCode::kDenied, "passphrase");
  REQUIRE_OK(
      trust::ReadSigningKeyFile(file, [] { return Result<Secret>(Secret("secret of anna")); }));
}

TEST_CASE("init cluster: invalid options are refused, and leave nothing") {
  Place place;
  auto refused = [&](auto change, std::string_view part) {
    InitClusterOptions options = place.Options();
    change(options);
    REQUIRE_FAILS(place.Init(options), ErrorCode::kInvalidArgument, std::string(part));
    CHECK(place.Entries() == 0);
  };
  refused([](auto& o) { o.cluster = "a b"; }, "the cluster is called \"a b\"");
  refused([](auto& o) { o.operators = {}; }, "no operator");
  refused([](auto& o) { o.operators = {"anna", "anna"}; }, "named twice");
  refused([](auto& o) { o.operators = {"../x"}; }, "an operator is called");
  refused([](auto& o) { o.root_threshold = 2; }, "--root-threshold is 2; expected 1 to 1");
  refused([](auto& o) { o.restore_operators = 0; }, "--restore-operators is 0");
  refused([](auto& o) { o.host = "a b"; }, "host \"a b\"");
  refused([](auto& o) { o.host = "::1"; }, "IPv6 in brackets");
  refused([](auto& o) { o.valid_days = 0; }, "--days");
}

TEST_CASE("init cluster: existing files are not overwritten, and a failure leaves nothing") {
  Place place;
  InitClusterOptions options = place.Options();
  REQUIRE_OK(place.Init(options));
  REQUIRE_FAILS(place.Init(options), ErrorCode::kAlreadyExists, "not empty");

  Place other;
  InitClusterOptions cancelled = other.Options();
  cancelled.passphrase = [](const std::string&) -> Result<Secret> {
    return Fail(ErrorCode::kCancelled, "no passphrase was given");
  };
  REQUIRE_FAILS(other.Init(cancelled), ErrorCode::kCancelled, "no passphrase");
  CHECK(other.Entries() == 0);

  std::filesystem::create_directory(other.directory.path() + "/new");
  REQUIRE_OK(other.Init(other.Options()));
}
