#include "common/base/result.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace holdfast {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kAlreadyExists:
      return "already_exists";
    case ErrorCode::kDenied:
      return "denied";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kTimedOut:
      return "timed_out";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kNoSpace:
      return "no_space";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

struct Error::Texts {
  std::string message;
  std::string hint;
};

void Error::DeleteTexts::operator()(Texts* texts) const { std::default_delete<Texts>()(texts); }

Error::Error(ErrorCode code, std::string_view message, std::string_view hint)
    : code_(code),
      texts_(std::make_unique<Texts>(std::string(message), std::string(hint)).release()) {}

Error::Error(const Error& other)
    : code_(other.code_), texts_(std::make_unique<Texts>(*other.texts_).release()) {}

Error& Error::operator=(const Error& other) { return *this = Error(other); }

const std::string& Error::message() const { return texts_->message; }

const std::string& Error::hint() const { return texts_->hint; }

std::string Error::Text() const {
  if (hint().empty()) return message();
  return message() + " (hint: " + hint() + ")";
}

Error Error::While(std::string_view what) && {
  // Callee and caller may name the same object.
  const std::string prefix = std::string(what) + ":";
  std::string& message = texts_->message;
  if (!message.starts_with(prefix)) message = prefix + " " + message;
  return std::move(*this);
}

Error Error::While(std::string_view what) const& { return Error(*this).While(what); }

Error Error::WithHint(std::string_view hint) && {
  if (texts_->hint.empty()) texts_->hint = hint;
  return std::move(*this);
}

std::unexpected<Error> Fail(ErrorCode code, std::string_view message, std::string_view hint) {
  return std::unexpected<Error>(std::in_place, code, message, hint);
}

std::unexpected<Error> Stopped() { return Fail(ErrorCode::kCancelled, "stopped by request"); }

Result<void> CheckStop(const std::stop_token& stop) {
  if (stop.stop_requested()) return Stopped();
  return {};
}

Error ErrnoError(int number, std::string_view what) {
  ErrorCode code = ErrorCode::kInternal;
  switch (number) {
    case ENOENT:
    case ENOTDIR:
    case ENODATA:
    case ESRCH:
      code = ErrorCode::kNotFound;
      break;
    case EEXIST:
    case ENOTEMPTY:
      code = ErrorCode::kAlreadyExists;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::kDenied;
      break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      code = ErrorCode::kNoSpace;
      break;
    case EBUSY:
    case ETXTBSY:
      code = ErrorCode::kBusy;
      break;
    case EIO:
    case ESTALE:
    case EAGAIN:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EMFILE:
    case ENFILE:
      code = ErrorCode::kUnavailable;
      break;
    case ETIMEDOUT:
      code = ErrorCode::kTimedOut;
      break;
    case EINTR:
      code = ErrorCode::kCancelled;
      break;
    case ENOSYS:
    case EOPNOTSUPP:
    case EXDEV:
      code = ErrorCode::kUnsupported;
      break;
    case EINVAL:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
      code = ErrorCode::kInvalidArgument;
      break;
    default:
      break;
  }
  std::string text;
  if (number == EROFS) {
    text = "read-only file system";
  } else {
    char buffer[128];
    text = strerror_r(number, buffer, sizeof buffer);
    if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') {
      text[0] = static_cast<char>(text[0] - 'A' + 'a');
    }
  }
  return Error(code, std::string(what) + ": " + text);
}

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, condition);
  std::fflush(stderr);
  std::abort();
}

}  // namespace holdfast
