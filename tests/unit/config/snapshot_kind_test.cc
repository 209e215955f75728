#include "common/config/snapshot_kind.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::config {
namespace {

using testing::Unwrap;

std::vector<SnapshotKind> Kinds() {
  return {{.kind = "kafka",
           .methods = {{.name = "to-cluster",
                        .options = {{{.name = "to_cluster"},
                                     {.name = "topic", .type = OptionType::kStringList}}}},
                       {.name = "to-log-dirs",
                        .options = {{{.name = "topic", .type = OptionType::kStringList}}}}}},
          {.kind = "etcd",
           .methods = {{.name = "stage-data-dir",
                        .options = {{{.name = "bump", .type = OptionType::kInteger},
                                     {.name = "mark", .type = OptionType::kBool}}}}}}};
}

TEST_CASE("snapshot kinds: an option of another kind is refused, naming the methods that have it") {
  const std::vector<SnapshotKind> kinds = Kinds();
  REQUIRE_OK(CheckOptionsOfKind(kinds, kinds[0], {"topic", "to_cluster"}));
  REQUIRE_FAILS(CheckOptionsOfKind(kinds, kinds[1], {"topic"}), ErrorCode::kInvalidArgument,
                "--topic is not an option of \"etcd\" snapshots");
  REQUIRE_FAILS(CheckOptionsOfKind(kinds, kinds[1], {"topic"}), ErrorCode::kInvalidArgument,
                "an option of kafka snapshots (--to-cluster, --to-log-dirs)");
  REQUIRE_FAILS(CheckOptionsOfKind(kinds, kinds[0], {"topik"}), ErrorCode::kInvalidArgument,
                "did you mean \"--topic\"?");
  REQUIRE(FindKind(kinds, "etcd") == &kinds[1]);
  REQUIRE(FindKind(kinds, "files") == nullptr);
}

TEST_CASE("snapshot kinds: an order carries texts, not paths or maps") {
  CHECK(MayBeOrdered({.name = "topic", .type = OptionType::kStringList}));
  CHECK(MayBeOrdered({.name = "bump", .type = OptionType::kInteger}));
  CHECK_FALSE(MayBeOrdered({.name = "dir", .type = OptionType::kPath}));
  CHECK_FALSE(MayBeOrdered({.name = "dirs", .type = OptionType::kPathList}));
  CHECK_FALSE(MayBeOrdered({.name = "client", .type = OptionType::kMap}));
}

TEST_CASE("snapshot kinds: option texts become values of the schema's types") {
  const std::vector<SnapshotKind> kinds = Kinds();
  const Schema all = AllOptions({kinds[0].methods[0], kinds[1].methods[0]});
  const Values values =
      Unwrap(ReadTexts({{"topic", {"a", "b"}}, {"bump", {"7"}}, {"mark", {"true"}}}, all, {}));
  CHECK(values.List("topic") == std::vector<std::string>{"a", "b"});
  CHECK(values.Integer("bump") == 7);
  CHECK(values.Flag("mark"));
  REQUIRE_FAILS(ReadTexts({{"bump", {"x"}}}, all, {}), ErrorCode::kInvalidArgument,
                "--bump: \"bump\" is \"x\"; expected a whole number");
  REQUIRE_FAILS(ReadTexts({{"bump", {"1", "2"}}}, all, {}), ErrorCode::kInvalidArgument,
                "--bump is given");
}

}  // namespace
}  // namespace holdfast::config
