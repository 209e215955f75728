#include <string>

#include "agent/cli/progress_printer.h"
#include "common/cli/exit_code.h"
#include "common/cli/table.h"
#include "common/cli/terminal.h"
#include "tests/support/catch.h"

namespace holdfast::cli {
namespace {

TEST_CASE("exit code: each error code has its own") {
  auto code = [](ErrorCode error, bool began = false) {
    return ExitCodeOf(Error(error, "x"), began);
  };
  REQUIRE(code(ErrorCode::kInvalidArgument) == 2);
  REQUIRE(code(ErrorCode::kNotFound) == 1);
  REQUIRE(code(ErrorCode::kAlreadyExists) == 1);
  REQUIRE(code(ErrorCode::kDenied) == 4);
  REQUIRE(code(ErrorCode::kBusy) == 4);
  REQUIRE(code(ErrorCode::kUnavailable) == 5);
  REQUIRE(code(ErrorCode::kUnavailable, true) == 1);
  REQUIRE(code(ErrorCode::kTimedOut) == 5);
  REQUIRE(code(ErrorCode::kTimedOut, true) == 1);
  REQUIRE(code(ErrorCode::kCancelled) == 130);
  REQUIRE(code(ErrorCode::kCorrupt) == 1);
  REQUIRE(code(ErrorCode::kNoSpace) == 1);
  REQUIRE(code(ErrorCode::kUnsupported) == 1);
  REQUIRE(code(ErrorCode::kInternal) == 1);
}

TEST_CASE("exit code: of several, all alike is that, some good is partly done") {
  REQUIRE(CombineExitCodes({}) == 0);
  REQUIRE(CombineExitCodes({0, 0}) == 0);
  REQUIRE(CombineExitCodes({0, 3}) == 3);
  REQUIRE(CombineExitCodes({0, 1}) == 3);
  REQUIRE(CombineExitCodes({3, 5}) == 3);
  REQUIRE(CombineExitCodes({5, 5}) == 5);
  REQUIRE(CombineExitCodes({4, 4}) == 4);
  REQUIRE(CombineExitCodes({4, 5}) == 1);
  REQUIRE(CombineExitCodes({0, 130}) == 130);
}

TEST_CASE("table: columns are aligned, numbers to the right") {
  std::string table = FormatTable({{"NAME"}, {"ITEMS", true}, {"TAGS"}},
                                  {{"a", "1", "x"}, {"long", "1,000", ""}}, 0);

  REQUIRE(table ==
          "NAME  ITEMS  TAGS\n"
          "a         1  x\n"
          "long  1,000\n");
}

TEST_CASE("table: what does not fit is cut in flexible columns only") {
  std::vector<Column> columns = {{"ID"}, {.title = "SOURCE", .is_flexible = true}};
  std::vector<std::vector<std::string>> rows = {{"12345678", "a-source-of-some-length"}};

  REQUIRE(FormatTable(columns, rows, 20) ==
          "ID        SOURCE\n"
          "12345678  a-source-~\n");
  REQUIRE_THAT(FormatTable(columns, rows, 5), Catch::Contains("12345678  a-sourc~"));
}

TEST_CASE("table: characters are counted, not bytes, and none commands the terminal") {
  REQUIRE(FormatTable({{"A"}, {"B"}}, {{"\xc3\xa4", "x"}, {"ab", "y"}}, 0) ==
          "A   B\n\xc3\xa4   x\nab  y\n");
  REQUIRE(FormatTable({{"A"}}, {{"a\x1b[2Jb\n"}}, 0) == "A\na\\x1b[2Jb\\x0a\n");
}

TEST_CASE("table: counts are grouped") {
  REQUIRE(FormatCount(0) == "0");
  REQUIRE(FormatCount(999) == "999");
  REQUIRE(FormatCount(1000) == "1,000");
  REQUIRE(FormatCount(1234567) == "1,234,567");
}

TEST_CASE("progress: a line says what is known and nothing else") {
  ProgressSample sample{.subject = "files/app", .phase = "save"};
  REQUIRE(ProgressText(sample) == "files/app: save");

  sample.items = 1204;
  sample.bytes = 1U << 30;
  sample.bytes_total = 3ULL << 30;
  sample.bytes_per_second = 100 * (1 << 20);
  REQUIRE(ProgressText(sample) ==
          "files/app: save, 1,204 items, 1.00 GiB of 3.00 GiB, 100 MiB/s, 20.5s left");
}

TEST_CASE("progress: the JSON line has null for what is not known") {
  ProgressSample sample{.subject = "files/\xff", .phase = "save", .items = 2, .bytes = 5};

  REQUIRE(ProgressJson(sample) ==
          "{\"type\":\"progress\",\"subject\":\"files/\xef\xbf\xbd\",\"phase\":\"save\","
          "\"items\":2,\"items_total\":null,\"bytes\":5,\"bytes_total\":null,"
          "\"bytes_per_second\":0,\"seconds_left\":null}");
}

}  // namespace
}  // namespace holdfast::cli
