// How Holdfast reports failure.
//
// Rules:
//  1. A failure that the outside world can cause is a Result. One that only a bug can cause is an
//     HF_CHECK, which aborts, also in release builds.
//  2. Context goes in front: `error.While("read pack 3fa2")` gives "read pack 3fa2: timed out".
//  3. Messages are lower case, have no full stop, quote names, and give a hint if the operator can
//     act.
//  4. Return an error or log it, never both; libraries do not log errors.
//  5. Create errors only with Fail(); propagate them only with HF_TRY and HF_ASSIGN.
//  6. The file that wraps third-party code catches its exceptions.
// Codes, their meaning and their exit codes: docs/errors.md.
//
// This room holds what every other room uses: results and errors (this header), time (clock.h),
// bytes (bytes.h), ids (ulid.h), randomness (random.h), text (format.h) and the log (log.h). It
// includes no other room.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

namespace holdfast {

enum class ErrorCode : std::uint8_t {
  kInvalidArgument,  // the request or the configuration is invalid
  kNotFound,         // the named object does not exist
  kAlreadyExists,    // the object to create already exists
  kDenied,           // permission, policy, password or signature refused it
  kBusy,             // in use by someone else; retry later
  kUnavailable,      // a service or a storage did not answer; trying again may help
  kTimedOut,         // the time limit passed
  kCancelled,        // stopped on request
  kCorrupt,          // data is damaged or malformed
  kNoSpace,          // the device or the quota is full
  kUnsupported,      // cannot be done here, with this version or on this system
  kInternal,         // a bug, or unexpected behaviour of the operating system
};

// The code's name in JSON and docs/errors.md, e.g. "not_found".
std::string_view ErrorCodeName(ErrorCode code);

// A failure. Small and cheap to move, because almost every function returns a Result. A moved-from
// Error may only be assigned to or destroyed.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string_view message, std::string_view hint = {});
  Error(const Error& other);
  Error(Error&& other) noexcept = default;
  Error& operator=(const Error& other);
  Error& operator=(Error&& other) noexcept = default;
  ~Error() = default;

  ErrorCode code() const { return code_; }
  // What went wrong, outermost context first, without the hint.
  const std::string& message() const;
  // What the operator can do about it; empty if nothing is known to help.
  const std::string& hint() const;
  // Message and hint in one text: "open x: not there (hint: run y)".
  std::string Text() const;
  // Whether a plain retry may help.
  bool retryable() const {
    return code_ == ErrorCode::kUnavailable || code_ == ErrorCode::kTimedOut;
  }

  // Puts `what` before the message, unless the message already begins with it.
  Error While(std::string_view what) &&;
  Error While(std::string_view what) const&;
  // The innermost hint wins, because it was given closest to the cause.
  Error WithHint(std::string_view hint) &&;

 private:
  struct Texts;  // incomplete here, so its deleter is in result.cc
  struct DeleteTexts {
    void operator()(Texts* texts) const;
  };
  ErrorCode code_;
  std::unique_ptr<Texts, DeleteTexts> texts_;
};

template <typename T>
using Result = std::expected<T, Error>;

std::unexpected<Error> Fail(ErrorCode code, std::string_view message, std::string_view hint = {});
inline std::unexpected<Error> Fail(Error error) { return std::unexpected<Error>(std::move(error)); }

// kCancelled: the operation was asked to stop.
std::unexpected<Error> Stopped();
// Stopped() if a stop was requested.
Result<void> CheckStop(const std::stop_token& stop);

// Converts the `errno` value `number` of the call `what`, e.g. ErrnoError(errno, "open \"x\"").
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

// Returns the error of `expr` from the function, if there is one.
#define HF_TRY(expr)                                                       \
  do {                                                                     \
    auto hf_status = (expr);                                               \
    if (!hf_status) return ::holdfast::Fail(std::move(hf_status).error()); \
  } while (false)

// HF_ASSIGN(auto x, F()): sets x to F()'s value, or returns F()'s error from the function.
#define HF_ASSIGN(lhs, expr) HF_ASSIGN_IMPL_(HF_CONCAT(hf_result_, __LINE__), lhs, expr)
#define HF_ASSIGN_IMPL_(result, lhs, expr)                         \
  auto result = (expr);                                            \
  if (!result) return ::holdfast::Fail(std::move(result).error()); \
  lhs = *std::move(result)
