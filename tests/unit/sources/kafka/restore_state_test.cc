#include "agent/sources/kafka/restore_state.h"

#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::kafka {
namespace {

using testing::Unwrap;
using Stage = RestoreState::Stage;
using Use = RestoreStateFile::Use;

RestoreState Example() {
  RestoreState state;
  state.targets["orders"] = {
      .stage = Stage::kOurs, .existed = true, .previous_configs = {{"a", "1"}}};
  state.targets["events"] = {.stage = Stage::kModified, .existed = true, .previous_configs = {}};
  state.targets["new"] = {};
  state.targets["new"].end = 77;
  state.is_written = true;
  state.groups = {"a", "\xff"};
  state.offsets[{"orders", 3}] = {{5, 1}, {7, 2}};
  return state;
}

TEST_CASE("kafka restore state: it decodes unchanged") {
  CHECK(Unwrap(DecodeRestoreState(EncodeRestoreState(Example()))) == Example());
  CHECK(Example().IsOurs("orders"));
  CHECK_FALSE(Example().IsOurs("events"));
  CHECK_FALSE(Example().IsOurs("other"));
  for (const char* text : {"", "{}", "[]", R"({"format_version": 2, "things": {}})",
                           R"({"format_version": 1, "things": {"a": {"stage": "x"}}})"})
    REQUIRE_FAILS(DecodeRestoreState(text), ErrorCode::kCorrupt, "form");
}

TEST_CASE("kafka restore state: it belongs to one restore until that is finished") {
  const TempDir directory = Unwrap(TempDir::Create("state"));
  const std::string path = directory.path() + "/kafka";
  {
    auto file = Unwrap(RestoreStateFile::Open(path, "one", Use::kRestore));
    CHECK_FALSE(file.found());
    REQUIRE_OK(file.Save(Example()));
    REQUIRE_FAILS(RestoreStateFile::Open(path, "one", Use::kRestore), ErrorCode::kBusy,
                  "the same restore is running");
    CHECK(Unwrap(RestoreStateFile::Open(path, "one", Use::kLook)).found() == Example());
    CHECK_FALSE(Unwrap(RestoreStateFile::Open(path, "two", Use::kRestore)).found());
  }

  auto file = Unwrap(RestoreStateFile::Open(path, "one", Use::kRestore));
  CHECK(file.found() == Example());
  REQUIRE_OK(file.Remove());
  REQUIRE_OK(file.Remove());
  CHECK_FALSE(Unwrap(RestoreStateFile::Open(path, "one", Use::kLook)).found());
}

TEST_CASE("kafka restore state: without a directory nothing is stored") {
  auto file = Unwrap(RestoreStateFile::Open("", "one", Use::kRestore));
  CHECK_FALSE(file.is_kept());
  REQUIRE_OK(file.Save(Example()));
  REQUIRE_OK(file.Remove());
}

}  // namespace
}  // namespace holdfast::kafka
