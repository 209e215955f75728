#include "agent/daemon/identity.h"

#include <sys/stat.h>

#include <filesystem>

#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"
#include "tests/support/trust_fixture.h"

using namespace holdfast;
using namespace holdfast::agent;
using holdfast::testing::SeededRandom;
using holdfast::testing::Unwrap;

namespace {

Identity SomeIdentity(Random& random, std::uint64_t incarnation) {
  return {.node = "db-1",
          .incarnation = incarnation,
          .root = testing::TrustFixture().Root().envelope(),
          .signing_key = crypto::SigningKey::Generate(random),
          .curve = bus::GenerateCurveKeys(random),
          .endpoint = "tcp://controller:7733"};
}

std::size_t EntriesOf(const std::string& directory) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory),
                                                std::filesystem::directory_iterator()));
}

}  // namespace

TEST_CASE("identity: a saved identity loads unchanged, and its secrets are private") {
  TempDir directory = Unwrap(TempDir::Create("identity"));
  SeededRandom random;
  const Identity saved = SomeIdentity(random, 3);
  REQUIRE_OK(SaveIdentity(directory.path(), saved, random));

  const Identity loaded = Unwrap(LoadIdentity(directory.path()));

  CHECK(loaded.node == "db-1");
  CHECK(loaded.incarnation == 3);
  CHECK(loaded.root == saved.root);
  CHECK(loaded.signing_key.id() == saved.signing_key.id());
  CHECK(loaded.curve.public_key == saved.curve.public_key);
  CHECK(loaded.endpoint == saved.endpoint);
  for (const char* secret : {"/identity/agent.key", "/identity/agent.curve"}) {
    struct stat status {};
    REQUIRE(::stat((directory.path() + secret).c_str(), &status) == 0);
    CHECK((status.st_mode & 0077) == 0);
  }
}

TEST_CASE("identity: a second identity replaces the first and leaves no other files") {
  TempDir directory = Unwrap(TempDir::Create("identity"));
  SeededRandom random;
  REQUIRE_OK(SaveIdentity(directory.path(), SomeIdentity(random, 1), random));
  REQUIRE_OK(SaveIdentity(directory.path(), SomeIdentity(random, 2), random));

  CHECK(Unwrap(LoadIdentity(directory.path())).incarnation == 2);
  CHECK(EntriesOf(directory.path()) == 1);
}

TEST_CASE("identity: a missing identity and a damaged one give different errors") {
  TempDir directory = Unwrap(TempDir::Create("identity"));
  SeededRandom random;
  REQUIRE_FAILS(LoadIdentity(directory.path()), ErrorCode::kNotFound, "holdfast-agent join");

  REQUIRE_OK(SaveIdentity(directory.path(), SomeIdentity(random, 1), random));
  for (const char* facts : {"", "db-1\n", "db-1\nx\ntcp://c:1\n", "db-1\n0\ntcp://c:1\n",
                            "\n1\nx\n", "db-1\n1\ntcp://c:1\nmore\n"}) {
    REQUIRE_OK(WriteFileAtomic(directory.path() + "/identity/node", AsBytes(facts), 0644));
    REQUIRE_FAILS(LoadIdentity(directory.path()), ErrorCode::kCorrupt, "join again");
  }
}
