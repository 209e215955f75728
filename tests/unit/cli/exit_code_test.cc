#include "common/cli/exit_code.h"

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

TEST_CASE("exit code: equal codes combine to that code, and any success makes it partly done") {
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

}  // namespace
}  // namespace holdfast::cli
