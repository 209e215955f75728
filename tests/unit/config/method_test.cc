#include "common/config/method.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::config {
namespace {

using testing::Unwrap;

constexpr OptionStyle kFlag = OptionStyle::kFlag;
constexpr OptionStyle kKey = OptionStyle::kKey;

std::vector<MethodSchema> Methods() {
  return {{"in-place", {}},
          {"to-cluster", {{{.name = "to_cluster"}, {.name = "topic"}, {.name = "until"}}}},
          {"to-log-dirs", {{{.name = "to_log_dirs"}, {.name = "topic"}}}}};
}

TEST_CASE("methods: the option named after a method chooses it") {
  const std::vector<MethodSchema> methods = Methods();
  CHECK(Unwrap(ChooseMethod(methods, {"to_cluster", "topic"}, kFlag))->name == "to-cluster");
  CHECK(Unwrap(ChooseMethod(methods, {"to_log_dirs"}, kFlag))->name == "to-log-dirs");
  REQUIRE_FAILS(ChooseMethod(methods, {"topic"}, kFlag), ErrorCode::kInvalidArgument,
                "no restore method; expected --to-cluster or --to-log-dirs");
  REQUIRE_FAILS(ChooseMethod(methods, {}, kKey), ErrorCode::kInvalidArgument,
                "no restore method; expected \"to_cluster\" or \"to_log_dirs\"");
  REQUIRE_FAILS(ChooseMethod(methods, {"to_cluster", "to_log_dirs"}, kFlag),
                ErrorCode::kInvalidArgument,
                "--to-cluster and --to-log-dirs are different restore methods");
}

TEST_CASE("methods: an option of another method is refused by name") {
  const std::vector<MethodSchema> methods = Methods();
  REQUIRE_OK(CheckOptionsOf(methods, methods[1], {"to_cluster", "topic", "until"}, kFlag));
  REQUIRE_OK(CheckOptionsOf(methods, methods[2], {"to_log_dirs", "topic"}, kFlag));
  REQUIRE_FAILS(CheckOptionsOf(methods, methods[2], {"to_log_dirs", "until"}, kFlag),
                ErrorCode::kInvalidArgument,
                "--until belongs to --to-cluster, not to --to-log-dirs");
  REQUIRE_FAILS(CheckOptionsOf(methods, methods[2], {"until"}, kKey), ErrorCode::kInvalidArgument,
                "\"until\" belongs to \"to_cluster\", not to \"to_log_dirs\"");
  REQUIRE_FAILS(CheckOptionsOf(methods, methods[0], {"topic"}, kFlag), ErrorCode::kInvalidArgument,
                "--topic belongs to --to-cluster, not to --in-place");
  REQUIRE_FAILS(CheckOptionsOf(methods, methods[0], {"to_cluster"}, kFlag),
                ErrorCode::kInvalidArgument, "--to-cluster and --in-place are different");
}

TEST_CASE("methods: all options are listed once") {
  std::vector<std::string> names;
  for (const OptionSpec& option : AllOptions(Methods()).options) names.push_back(option.name);
  CHECK(names == std::vector<std::string>{"to_cluster", "topic", "until", "to_log_dirs"});
  CHECK(SelectorOptionsText(Methods(), kFlag) == "--to-cluster or --to-log-dirs");
}

}  // namespace
}  // namespace holdfast::config
