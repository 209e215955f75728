#include "agent/sources/prometheus/restore.h"

#include "tests/support/catch.h"
#include "tests/unit/sources/prometheus/data_directory.h"

namespace holdfast::prometheus {
namespace {

using std::chrono::milliseconds;
using testing::Unwrap;

BlockMeta Block(int number, std::int64_t from, std::int64_t until,
                std::vector<std::string> parents = {}) {
  BlockMeta meta;
  meta.ulid = UlidOf(number);
  meta.min_time = from;
  meta.max_time = until;
  meta.parents = std::move(parents);
  return meta;
}

std::string Taken(const RestoreChoice& choice) {
  std::string text;
  for (const BlockChoice& block : choice.blocks)
    if (block.is_taken) text += block.meta.ulid.back();
  return text + (choice.has_logs ? "+" : "");
}

TEST_CASE("prometheus restore: blocks are selected by time") {
  const std::vector<BlockMeta> blocks = {Block(3, 200, 300), Block(1, 0, 100), Block(2, 100, 200)};
  REQUIRE(Taken(ChooseBlocks(blocks, {}, {})) == "123+");
  REQUIRE(Taken(ChooseBlocks(blocks, 100, {})) == "23+");
  REQUIRE(Taken(ChooseBlocks(blocks, 99, 199)) == "12");
  REQUIRE(Taken(ChooseBlocks(blocks, {}, 200)) == "123");
  REQUIRE(Taken(ChooseBlocks(blocks, 250, 300)) == "3+");
  REQUIRE(Taken(ChooseBlocks(blocks, 300, {})) == "+");
  REQUIRE(Taken(ChooseBlocks({}, {}, 5)) == "+");
}

TEST_CASE("prometheus restore: a replaced block is omitted") {
  const auto choice = ChooseBlocks({Block(1, 0, 100), Block(2, 100, 200),
                                    Block(3, 0, 200, {UlidOf(1), UlidOf(2)}), Block(4, 50, 60)},
                                   {}, {});
  REQUIRE(Taken(choice) == "34+");
  REQUIRE(choice.blocks[0].reason == UlidOf(3) + " has its samples");
  REQUIRE(CountOverlaps(choice) == 1);
}

TEST_CASE("prometheus restore: blocks beyond the retention are found") {
  const auto choice = ChooseBlocks({Block(1, 0, 100), Block(2, 100, 200)}, {}, {});
  REQUIRE(BeyondRetention(choice, milliseconds(1000), 1099).empty());
  REQUIRE(BeyondRetention(choice, milliseconds(1000), 1100).size() == 1);
  REQUIRE(BeyondRetention(choice, milliseconds(1000), 9000).size() == 2);
}

struct Scene {
  Scene() { Unwrap(data.Save(view)); }
  Result<MethodOutcome> Restore(const std::map<std::string, std::string>& options,
                                bool dry_run = false) {
    config::Values values;
    values.Set("to_data_dir", target);
    for (const auto& [name, value] : options) values.Set(name, value);
    RestoreSpec spec{.snapshot = &view, .options = values};
    spec.dry_run = dry_run;
    return RestoreDataDirectory(data.context, spec, progress, {});
  }
  DataDirectory data;
  testing::FakeSnapshotView view;
  std::string target = data.top.path() + "/new/data";
  Progress progress;
};

TEST_CASE(
    "prometheus restore: writes only what is requested, and warns of data beyond the retention") {
  Scene scene;
  const auto planned = Unwrap(scene.Restore({{"retention", "1d"}}, true));
  REQUIRE(planned.plan.size() == 4);
  REQUIRE(planned.plan[0].action == "restored");
  REQUIRE(planned.plan[3].what == "log");
  REQUIRE_THAT(planned.warnings.at(0), Catch::Contains("will remove 2 of these blocks"));
  REQUIRE_FALSE(std::filesystem::exists(scene.target));
  REQUIRE_FAILS(
      scene.Restore({{"from", "1980-01-01T00:00:00Z"}, {"until", "1970-01-01T00:00:00Z"}}),
      ErrorCode::kInvalidArgument, "before --from");
  REQUIRE_FAILS(scene.Restore({{"from", "yesterday"}}), ErrorCode::kInvalidArgument, "--from");
  REQUIRE_FAILS(scene.Restore({{"retention", "long"}}), ErrorCode::kInvalidArgument, "--retention");
  REQUIRE_FAILS(scene.Restore({{"until", "1970-01-01T00:00:00Z"}}), ErrorCode::kNotFound,
                "the snapshot has no samples in that time range");
  REQUIRE_OK(MakeDirectories(scene.target + "/wal"));
  REQUIRE_FAILS(scene.Restore({}), ErrorCode::kAlreadyExists, "move its old data directory aside");
}

}  // namespace
}  // namespace holdfast::prometheus
