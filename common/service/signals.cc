#include "common/service/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include "common/io/fd.h"

namespace holdfast {
namespace {

constexpr std::array kStopSignals = {SIGINT, SIGTERM};
constexpr int kExitInterrupted = 130;

// A signal handler may only use these two lock-free numbers and write(2).
std::atomic<int> first_signal{0};
std::atomic<int> wake_fd{-1};

extern "C" void HandleStopSignal(int number) {
  int saved_errno = errno;
  int expected = 0;
  if (!first_signal.compare_exchange_strong(expected, number)) ::_exit(kExitInterrupted);
  char byte = 0;
  (void)!::write(wake_fd.load(), &byte, 1);
  errno = saved_errno;
}

// Not SIG_IGN, which programs started by this process would inherit.
extern "C" void HandleNothing(int) {}

class PipeStopOnSignals final : public StopOnSignals {
 public:
  PipeStopOnSignals(Fd reader, Fd writer) : reader_(std::move(reader)), writer_(std::move(writer)) {
    first_signal = 0;
    wake_fd = writer_.get();
    for (std::size_t i = 0; i < kStopSignals.size(); ++i) {
      Install(kStopSignals[i], HandleStopSignal, before_[i]);
    }
    Install(SIGPIPE, HandleNothing, before_pipe_);
    waiter_ = std::jthread([this] { Wait(); });
  }

  ~PipeStopOnSignals() override {
    for (std::size_t i = 0; i < kStopSignals.size(); ++i) {
      (void)::sigaction(kStopSignals[i], &before_[i], nullptr);
    }
    (void)::sigaction(SIGPIPE, &before_pipe_, nullptr);
    wake_fd = -1;
    writer_.Reset();  // the waiter reads end of file
    waiter_.join();
  }

  std::stop_token token() const override { return source_.get_token(); }
  int signal() const override { return first_signal; }

 private:
  static void Install(int number, void (*handler)(int), struct sigaction& before) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    (void)::sigaction(number, &action, &before);
  }

  void Wait() {
    std::array<std::uint8_t, 1> byte{};
    Result<std::size_t> got = ReadSome(reader_.get(), byte, "signal pipe");
    if (got && *got == 1) source_.request_stop();
  }

  Fd reader_;
  Fd writer_;
  std::stop_source source_;
  std::array<struct sigaction, kStopSignals.size()> before_{};
  struct sigaction before_pipe_ {};
  std::jthread waiter_;
};

}  // namespace

Result<std::unique_ptr<StopOnSignals>> StopOnSignals::Begin() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Fail(ErrnoError(errno, "create a pipe"));
  return std::make_unique<PipeStopOnSignals>(Fd(ends[0]), Fd(ends[1]));
}

}  // namespace holdfast
