// How Holdfast reports failure.
//
// Rules, for everybody:
//  1. What the outside world can cause is a Result; what only a bug can cause is HF_CHECK, which
//     aborts, in release builds too.
//  2. Context is added outward: `error.While("read pack 3fa2")` gives "read pack 3fa2: timed out".
//  3. A message is lower case, without a full stop, names things in quotes, and carries a hint
//  where
//     the operator can act.
//  4. Return an error or log it, never both; libraries do not log errors.
//  5. Errors are made by Fail() and passed on by HF_TRY and HF_ASSIGN, nothing else.
//  6. Exceptions of third-party code end in the file that wraps it.
// Codes, their meaning and their exit codes: docs/errors.md.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace holdfast {

enum class ErrorCode : std::uint8_t {
  kInvalidArgument,  // the caller or the configuration asked for something that makes no sense
  kNotFound,         // the named thing is not there
  kAlreadyExists,    // the thing to be created is there
  kDenied,           // permission, policy, password or signature refused it
  kBusy,             // somebody else holds it; trying later helps
  kUnavailable,      // a service or a storage did not answer; trying again may help
  kTimedOut,         // the time limit passed
  kCancelled,        // asked to stop
  kCorrupt,          // data are not what they must be
  kNoSpace,          // the device or the quota is full
  kUnsupported,      // cannot be done here, with this version or on this system
  kInternal,         // a bug, or an operating system behaving as none should
};

// The code's name as it stands in JSON and docs/errors.md, e.g. "not_found".
std::string_view ErrorCodeName(ErrorCode code);

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  // What went wrong, outermost context first, without the hint.
  const std::string& message() const { return message_; }
  // What the operator can do about it; empty when nothing is known to help.
  const std::string& hint() const { return hint_; }
  // Message and hint, as a person reads it: "open x: not there (hint: run y)".
  std::string Text() const;
  // Whether trying the same again may help without anybody acting.
  bool retryable() const {
    return code_ == ErrorCode::kUnavailable || code_ == ErrorCode::kTimedOut;
  }

  // A message that begins with `what` already stays as it is.
  Error While(std::string_view what) &&;
  Error While(std::string_view what) const&;
  // The innermost hint wins: whoever saw the cause knows best.
  Error WithHint(std::string hint) &&;

 private:
  ErrorCode code_;
  std::string message_;
  std::string hint_;
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return std::unexpected<Error>(Error(code, std::move(message)));
}
inline std::unexpected<Error> Fail(ErrorCode code, std::string message, std::string hint) {
  return std::unexpected<Error>(Error(code, std::move(message)).WithHint(std::move(hint)));
}
inline std::unexpected<Error> Fail(Error error) { return std::unexpected<Error>(std::move(error)); }

// An Error for the `errno` value `number` of the call `what`, e.g. ErrnoError(errno, "open \"x\"").
// ENOENT is kNotFound, EEXIST kAlreadyExists, EACCES/EPERM/EROFS kDenied, ENOSPC/EDQUOT kNoSpace,
// EIO/ESTALE and network failures kUnavailable, EINTR kCancelled, ENOSYS/EOPNOTSUPP kUnsupported.
Error ErrnoError(int number, std::string_view what);

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace holdfast

// Aborts when an invariant is broken: a bug, never bad input.
#define HF_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::holdfast::CheckFailed(#condition, __FILE__, __LINE__))

#define HF_CONCAT_(a, b) a##b
#define HF_CONCAT(a, b) HF_CONCAT_(a, b)

// Leaves the function with the error of `expr`, if there is one.
#define HF_TRY(expr)                                                       \
  do {                                                                     \
    auto hf_status = (expr);                                               \
    if (!hf_status) return ::holdfast::Fail(std::move(hf_status).error()); \
  } while (false)

// HF_ASSIGN(auto x, F()): x is F()'s value, or the function is left with F()'s error.
#define HF_ASSIGN(lhs, expr) HF_ASSIGN_IMPL_(HF_CONCAT(hf_result_, __LINE__), lhs, expr)
#define HF_ASSIGN_IMPL_(result, lhs, expr)                         \
  auto result = (expr);                                            \
  if (!result) return ::holdfast::Fail(std::move(result).error()); \
  lhs = *std::move(result)
