#include "common/io/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "common/base/format.h"
#include "common/io/fd.h"

extern char** environ;

namespace holdfast {
namespace {

struct Pipe {
  Fd read_end;
  Fd write_end;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return Fail(ErrnoError(errno, "create a pipe"));
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

std::vector<std::string> ChildEnvironment(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string text = *entry;
    if (!changes.contains(text.substr(0, text.find('=')))) entries.push_back(std::move(text));
  }
  for (const auto& [name, value] : changes) {
    if (!value.empty()) entries.push_back(name + "=" + value);
  }
  return entries;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Runs in the child between fork and exec. Only system calls are allowed, since another thread of
// the parent may have held the allocator's lock.
[[noreturn]] void ExecChild(const char* program, char* const* argv, char* const* environment,
                            const char* directory, int opened, int in, int out, int err,
                            int failure) {
  int number = 0;
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) number = errno;
  if (number == 0 && *directory != '\0' && chdir(directory) != 0) number = errno;
  if (number == 0 && opened >= 0 && fchdir(opened) != 0) number = errno;
  if (number == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);  // its own group, so that its children can be killed with it
    execve(program, argv, environment);
    number = errno;
  }
  (void)!write(failure, &number, sizeof number);
  _exit(127);
}

// A running child. Killed and reaped on destruction unless Reap() was called.
class Child {
 public:
  Child(pid_t pid, Fd handle) : pid_(pid), handle_(std::move(handle)) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    (void)kill(-pid_, SIGKILL);
    (void)kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  int handle() const { return handle_.get(); }
  int Reap() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    return 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_;
  Fd handle_;  // pidfd: readable when the process has ended
};

// Reads once and keeps at most `bytes_max` bytes. Closes the descriptor at the end.
void Drain(Fd& fd, std::string& text, std::size_t bytes_max) {
  std::array<std::uint8_t, 16384> buffer;
  auto count = ReadSome(fd.get(), buffer, "pipe");
  if (!count || *count == 0) {
    fd.Reset();
    return;
  }
  std::size_t keep = std::min(*count, bytes_max - std::min(bytes_max, text.size()));
  text.append(AsText(std::span(buffer).first(keep)));
}

Result<SubprocessOutcome> Attend(Child& child, Fd out, Fd err, const std::string& program,
                                 const SubprocessOptions& options) {
  SubprocessOutcome outcome;
  auto deadline = std::chrono::steady_clock::now() + options.timeout;
  bool has_ended = false;
  // A daemon that the child started may keep its output open, so only the child's exit counts.
  while (!has_ended) {
    if (options.stop.stop_requested()) {
      return Fail(ErrorCode::kCancelled, fmt::format("run {}: stopped by request", Quote(program)));
    }
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return Fail(ErrorCode::kTimedOut,
                  fmt::format("run {}: still running after {}", Quote(program),
                              FormatDuration(options.timeout)));
    }
    std::array<pollfd, 3> waits = {
        {{out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}, {child.handle(), POLLIN, 0}}};
    // Short waits, because a stop_token cannot wake a poll.
    int turn = static_cast<int>(std::min<std::int64_t>(left.count(), 100));
    if (poll(waits.data(), waits.size(), turn) < 0 && errno != EINTR) {
      return Fail(ErrnoError(errno, "wait for " + Quote(program)));
    }
    if (waits[0].revents != 0) Drain(out, outcome.out, options.output_max);
    if (waits[1].revents != 0) Drain(err, outcome.err, options.output_max);
    has_ended = waits[2].revents != 0 && (waits[0].revents & POLLIN) == 0 &&
                (waits[1].revents & POLLIN) == 0;
  }
  outcome.exit_code = child.Reap();
  return outcome;
}

}  // namespace

Result<std::string> FindProgram(const std::string& name) {
  const auto not_found = [&] {
    return Fail(ErrorCode::kNotFound, fmt::format("program {} not found", Quote(name)),
                "install it, or add its directory to PATH");
  };
  if (name.find('/') != std::string::npos) {
    if (access(name.c_str(), X_OK) == 0) return name;
    return not_found();
  }
  const char* value = std::getenv("PATH");
  std::string path = value != nullptr ? value : "/usr/sbin:/usr/bin:/sbin:/bin";
  std::size_t begin = 0;
  while (begin <= path.size()) {
    std::size_t end = std::min(path.find(':', begin), path.size());
    std::string candidate = path.substr(begin, end - begin) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return not_found();
}

Result<SubprocessOutcome> RunProgram(const std::vector<std::string>& argv,
                                     const SubprocessOptions& options) {
  HF_CHECK(!argv.empty());
  HF_ASSIGN(std::string program, FindProgram(argv[0]));
  HF_ASSIGN(const Fd in, OpenFile("/dev/null", O_RDONLY));
  HF_ASSIGN(Pipe out, MakePipe());
  HF_ASSIGN(Pipe err, MakePipe());
  HF_ASSIGN(Pipe failure, MakePipe());
  std::vector<std::string> arguments = argv;
  std::vector<std::string> environment = ChildEnvironment(options.environment);
  std::vector<char*> argument_pointers = Pointers(arguments);
  std::vector<char*> environment_pointers = Pointers(environment);

  pid_t pid = fork();
  if (pid < 0) return Fail(ErrnoError(errno, "start " + Quote(program)));
  if (pid == 0) {
    ExecChild(program.c_str(), argument_pointers.data(), environment_pointers.data(),
              options.directory.c_str(), options.opened, in.get(), out.write_end.get(),
              err.write_end.get(), failure.write_end.get());
  }
  Child child(pid, Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))));
  out.write_end.Reset();
  err.write_end.Reset();
  failure.write_end.Reset();
  int number = 0;
  std::span<std::uint8_t> number_bytes(reinterpret_cast<std::uint8_t*>(&number), sizeof number);
  HF_ASSIGN(std::size_t bytes_read, ReadSome(failure.read_end.get(), number_bytes, "pipe"));
  if (bytes_read != 0) return Fail(ErrnoError(number, "start " + Quote(program)));
  return Attend(child, std::move(out.read_end), std::move(err.read_end), program, options);
}

}  // namespace holdfast
