#include "common/service/notify.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "common/base/format.h"
#include "common/base/number.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds kSendMax{1};

std::string Variable(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

Result<std::uint64_t> ParseNumber(std::string_view name, std::string_view text) {
  if (const auto number = ParseWhole<std::uint64_t>(text); number && *number > 0) return *number;
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{}={} is not a number", name, Quote(text)),
              "systemd sets it; start the service with systemctl, or unset it");
}

// The address as the kernel expects it. The length excludes what follows an abstract name.
std::pair<struct sockaddr_un, socklen_t> AddressOf(const std::string& name) {
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  std::ranges::copy(name, address.sun_path);
  if (name[0] == '@') address.sun_path[0] = '\0';
  return {address, static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + name.size())};
}

// A newline in a value would begin another assignment.
std::string OneLine(std::string_view text) {
  std::string line(text);
  std::ranges::replace_if(
      line, [](char c) { return c == '\n' || c == '\r' || c == '\0'; }, ' ');
  return line;
}

}  // namespace

NotifyEnvironment NotifyEnvironment::OfThisProcess() {
  return {Variable("NOTIFY_SOCKET"), Variable("WATCHDOG_USEC"), Variable("WATCHDOG_PID")};
}

Result<Notifier> Notifier::Create(const NotifyEnvironment& environment) {
  Notifier notifier;
  const std::string& name = environment.notify_socket;
  if (name.empty()) return notifier;
  bool is_name = (name[0] == '/' || name[0] == '@') && name.size() > 1 &&
                 name.size() < sizeof(sockaddr_un::sun_path);
  if (!is_name) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("NOTIFY_SOCKET={} is not a UNIX socket", Quote(name)),
                "systemd sets it; start the service with systemctl, or unset it");
  }
  if (!environment.watchdog_usec.empty()) {
    HF_ASSIGN(std::uint64_t usec, ParseNumber("WATCHDOG_USEC", environment.watchdog_usec));
    bool is_for_us = true;
    if (!environment.watchdog_pid.empty()) {
      HF_ASSIGN(std::uint64_t pid, ParseNumber("WATCHDOG_PID", environment.watchdog_pid));
      is_for_us = pid == static_cast<std::uint64_t>(::getpid());
    }
    if (is_for_us)
      notifier.watchdog_interval_ = std::chrono::microseconds(std::max<std::uint64_t>(usec / 2, 1));
  }
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return Fail(ErrnoError(errno, "create a socket for systemd"));
  struct timeval limit {};
  limit.tv_sec = kSendMax.count();
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0) {
    return Fail(ErrnoError(errno, "set the time limit for notifying systemd"));
  }
  notifier.address_ = name;
  notifier.socket_ = std::move(socket);
  return notifier;
}

Result<void> Notifier::Ready(std::string_view status) const {
  return Send(fmt::format("READY=1\nSTATUS={}", OneLine(status)));
}

Result<void> Notifier::Status(std::string_view status) const {
  return Send(fmt::format("STATUS={}", OneLine(status)));
}

Result<void> Notifier::Watchdog() const { return Send("WATCHDOG=1"); }

Result<void> Notifier::Stopping(std::string_view status) const {
  return Send(fmt::format("STOPPING=1\nSTATUS={}", OneLine(status)));
}

Result<void> Notifier::Send(const std::string& text) const {
  if (!socket_.is_open()) return {};
  auto [address, size] = AddressOf(address_);
  const auto* where = reinterpret_cast<const struct sockaddr*>(&address);
  while (::sendto(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL, where, size) < 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN)
      return Fail(ErrorCode::kTimedOut, "systemd does not accept the notification");
    int number = errno;
    return Fail(ErrorCode::kUnavailable,
                fmt::format("notify systemd at {}: {}", Quote(address_), std::strerror(number)),
                "check that the unit has Type=notify, and NotifyAccess= as shipped");
  }
  return {};
}

}  // namespace holdfast
