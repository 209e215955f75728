#include "agent/sources/prometheus/restore.h"

#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/replaced_paths.h"
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
  std::string parent = data.top.path() + "/new";
  std::string target = parent + "/data";
  Progress progress;
};

// Accepts the directory if it has both blocks, after it has run `$AT_START`.
constexpr std::string_view kPromtool = R"(#!/bin/sh
eval "$AT_START"
cat "$3"/01H*/meta.json
)";

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

TEST_CASE("prometheus restore: creates the data directory, and leaves nothing else") {
  Scene scene;
  const testing::ProgramInPath promtool("promtool", kPromtool);
  scene.view.nodes.at("data").attributes.mode = 0751;
  const auto outcome = Unwrap(scene.Restore({}));
  REQUIRE(outcome.lines.at(1) == "checked by promtool");
  REQUIRE(Unwrap(NamesIn(scene.parent)) == std::vector<std::string>{"data"});
  REQUIRE(Unwrap(NamesIn(scene.target)) ==
          std::vector<std::string>{UlidOf(1), UlidOf(2), "wal", "wbl"});
  REQUIRE((std::filesystem::status(scene.target).permissions() & std::filesystem::perms::mask) ==
          std::filesystem::perms(0751));
}

// Root runs the restore, and Prometheus's user owns the directory that the staging directory is in.
TEST_CASE("prometheus restore: does not follow a staging directory that became a symlink") {
  Scene scene;
  const testing::ProgramInPath promtool("promtool", kPromtool);
  const std::string outside = scene.data.top.path() + "/outside";
  // The restore would set its mode.
  for (const std::string& directory : {outside, outside + "/data"})
    REQUIRE_OK(MakeDirectories(directory, 0700));
  const auto replace = [&](const std::string&) {
    testing::ReplaceByLink(testing::StagingIn(scene.parent), outside);
  };
  SECTION("before the extraction") { scene.view.on_extract = replace; }
  // Their blocks would be published.
  const auto put_blocks = [&] {
    for (int number : {1, 2}) {
      const std::string block = outside + "/" + UlidOf(number);
      REQUIRE_OK(MakeDirectories(block));
      testing::WriteText(block + "/meta.json", MetaText(UlidOf(number), 0, 1));
    }
  };
  SECTION("after the extraction") {
    put_blocks();
    scene.view.after_extract = replace;
  }
  SECTION("while promtool runs") {
    put_blocks();
    const std::string commands =
        fmt::format("staging=$(echo {}/.holdfast-*); mv $staging $staging.aside; ln -s {} $staging",
                    scene.parent, outside);
    ::setenv("AT_START", commands.c_str(), 1);
  }
  const std::vector<std::string> before = testing::DescribeTree(outside);
  const auto outcome = scene.Restore({});
  ::unsetenv("AT_START");
  REQUIRE(testing::DescribeTree(outside) == before);
  REQUIRE_FAILS(outcome, ErrorCode::kBusy,
                fmt::format("another process replaced \"{}/.holdfast-prometheus-", scene.parent));
  const std::vector<std::string> left = Unwrap(NamesIn(scene.parent));
  REQUIRE(left.size() == 2);  // the symlink, and what is aside
  REQUIRE(Unwrap(NamesIn(scene.parent + "/" + left[1])).empty());
}

}  // namespace
}  // namespace holdfast::prometheus
