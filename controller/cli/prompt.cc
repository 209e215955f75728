#include "controller/cli/prompt.h"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/io/fd.h"
#include "common/io/secret_file.h"

namespace holdfast::cli {
namespace {

constexpr const char* kTerminal = "/dev/tty";
constexpr std::size_t kLineBytesMax = 1024;
constexpr int kSliceMs = 100;  // how long a wait may take to notice a stop request
constexpr int kAttempts = 3;

Result<Fd> OpenTerminal() {
  Fd fd(::open(kTerminal, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (fd.is_open()) return fd;
  return Fail(ErrorCode::kNotFound, "there is no terminal to ask on");
}

// Disables echo while it exists.
class Silence {
 public:
  explicit Silence(int fd) : fd_(fd) {
    if (::tcgetattr(fd_, &before_) != 0) return;
    struct termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    is_on_ = ::tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
  }
  ~Silence() {
    if (is_on_) (void)::tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  bool is_on() const { return is_on_; }

 private:
  const int fd_;
  struct termios before_ {};
  bool is_on_ = false;
};

Result<Secret> ReadLine(int fd, const std::stop_token& stop) {
  std::string line;
  line.reserve(kLineBytesMax);  // so that no copy of a passphrase remains
  for (;;) {
    if (stop.stop_requested()) return Fail(ErrorCode::kCancelled, "interrupted while asking");
    struct pollfd waiting {
      .fd = fd, .events = POLLIN, .revents = 0
    };
    if (::poll(&waiting, 1, kSliceMs) <= 0) continue;
    char c = 0;
    const ssize_t got = ::read(fd, &c, 1);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return Fail(ErrnoError(errno, "read from the terminal"));
    if (got == 0 && line.empty()) return Fail(ErrorCode::kNotFound, "the terminal was closed");
    if (got == 0 || c == '\n') return Secret(std::move(line));
    if (line.size() >= kLineBytesMax) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("more than {} bytes in one line", kLineBytesMax));
    }
    line += c;
  }
}

}  // namespace

bool TerminalPrompt::is_there() const { return OpenTerminal().has_value(); }

Result<std::string> TerminalPrompt::AskLine(std::string_view question) {
  HF_ASSIGN(const Fd fd, OpenTerminal());
  HF_TRY(WriteAll(fd.get(), AsBytes(question), kTerminal));
  HF_ASSIGN(const Secret line, ReadLine(fd.get(), stop_));
  return std::string(line.Reveal());
}

Result<Secret> TerminalPrompt::AskSecret(std::string_view question) {
  HF_ASSIGN(const Fd fd, OpenTerminal());
  const Silence silence(fd.get());
  if (!silence.is_on()) {
    return Fail(ErrorCode::kUnsupported, "this terminal cannot hide what is typed",
                "--passphrase-file FILE");
  }
  HF_TRY(WriteAll(fd.get(), AsBytes(question), kTerminal));
  Result<Secret> line = ReadLine(fd.get(), stop_);
  (void)WriteAll(fd.get(), AsBytes("\n"), kTerminal);  // the typed one was not echoed
  return line;
}

Result<Secret> AskNewPassphrase(Prompt& prompt, std::string_view whose) {
  std::string question = fmt::format("New passphrase for the keys of {}: ", whose);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    HF_ASSIGN(Secret first, prompt.AskSecret(question));
    if (first.empty()) {
      question = fmt::format("The passphrase is empty. New passphrase for the keys of {}: ", whose);
      continue;
    }
    HF_ASSIGN(const Secret second, prompt.AskSecret("Repeat the passphrase: "));
    if (first.Reveal() == second.Reveal()) return first;
    question = fmt::format("The passphrases differ. New passphrase for the keys of {}: ", whose);
  }
  return Fail(
      ErrorCode::kInvalidArgument, fmt::format("no passphrase for the keys of {}", whose),
      "use --passphrase-file FILE, or --no-passphrase for keys that are protected in another way");
}

Result<Secret> ReadPassphraseFile(const std::string& path) {
  HF_TRY(CheckSecretMode(path, "passphrase file"));
  HF_ASSIGN(const Fd fd, OpenFile(path, O_RDONLY));
  std::string text;
  text.reserve(kLineBytesMax);
  char c = 0;
  for (;;) {
    const ssize_t got = ::read(fd.get(), &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(ErrnoError(errno, "read " + Quote(path)));
    if (got == 0 || c == '\n') break;
    if (text.size() >= kLineBytesMax) {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("the first line of {} has more than {} bytes", Quote(path), kLineBytesMax));
    }
    text += c;
  }
  if (text.empty()) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("no passphrase in {}", Quote(path)));
  }
  return Secret(std::move(text));
}

}  // namespace holdfast::cli
