// Matchers for Result: REQUIRE_THAT(Open(x), IsOk()), REQUIRE_THAT(Open(x), FailsWith(kNotFound)).
#pragma once

#include <optional>
#include <string>

#include "common/base/result.h"
#include "tests/support/catch.h"

namespace holdfast::testing {

// Returns the value of a Result. On an error, fails the test with its text.
template <typename T>
T Unwrap(Result<T> result) {
  if (!result) FAIL(result.error().Text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// Requires an error with this code and a message that contains `part_of_message`.
inline void RequireError(const std::optional<Error>& error, ErrorCode code,
                         const std::string& part_of_message) {
  REQUIRE(error.has_value());
  INFO(error->Text());
  REQUIRE(ErrorCodeName(error->code()) == ErrorCodeName(code));
  REQUIRE_THAT(error->message(), Catch::Contains(part_of_message));
}

// Both matchers accept any Result<T>. Catch2 2.13 needs a fixed type, so they match a Status.
struct Status {
  bool ok = true;
  ErrorCode code = ErrorCode::kInternal;
  std::string text;
};
template <typename T>
Status StatusOf(const Result<T>& result) {
  if (result) return {};
  return {false, result.error().code(), result.error().Text()};
}
inline std::ostream& operator<<(std::ostream& out, const Status& status) {
  if (status.ok) return out << "ok";
  return out << ErrorCodeName(status.code) << ": " << status.text;
}

}  // namespace holdfast::testing

#define REQUIRE_OK(expr)                                       \
  do {                                                         \
    auto hf_test_status = ::holdfast::testing::StatusOf(expr); \
    INFO(hf_test_status.text);                                 \
    REQUIRE(hf_test_status.ok);                                \
  } while (false)

// The expression fails with `error_code`, and its text contains `part`.
#define REQUIRE_FAILS(expr, error_code, part)                   \
  do {                                                          \
    auto hf_test_status = ::holdfast::testing::StatusOf(expr);  \
    REQUIRE_FALSE(hf_test_status.ok);                           \
    INFO(hf_test_status.text);                                  \
    REQUIRE(::holdfast::ErrorCodeName(hf_test_status.code) ==   \
            ::holdfast::ErrorCodeName(error_code));             \
    REQUIRE_THAT(hf_test_status.text, ::Catch::Contains(part)); \
  } while (false)
