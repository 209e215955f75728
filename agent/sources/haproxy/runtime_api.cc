#include "agent/sources/haproxy/runtime_api.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/sources/haproxy/line_splitter.h"
#include "agent/sources/haproxy/parse_live_texts.h"
#include "common/base/bytes.h"
#include "common/base/format.h"

namespace holdfast::haproxy {
namespace {

// How often a stop request is checked.
constexpr std::chrono::milliseconds kSocketPoll{100};
constexpr std::size_t kShownMax = 200;

}  // namespace

Result<Fd> ConnectSocket(const std::string& path, std::chrono::milliseconds patience) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the path of the socket {} is too long", Quote(path)));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return Fail(ErrnoError(errno, "create a socket"));
  // Without a timeout, connect() blocks forever on a socket whose queue is full.
  const timeval limit{.tv_sec = patience.count() / 1000, .tv_usec = patience.count() % 1000 * 1000};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0)
    return Fail(ErrnoError(errno, "create a socket"));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno == EAGAIN)
      return Fail(ErrorCode::kTimedOut,
                  fmt::format("HAProxy accepted no connection for {} on {}",
                              FormatDuration(patience), Quote(path)),
                  "it may be stopped (SIGSTOP), or have too many connections to this socket");
    return Fail(ErrnoError(errno, fmt::format("connect to the socket {}", Quote(path))));
  }
  return fd;
}

Result<std::size_t> RuntimeApi::ReadPiece(int fd, std::span<std::uint8_t> buffer) const {
  const Instant deadline = clock_->Monotonic() + kPatience;
  for (;;) {
    HF_TRY(CheckStop(stop_));
    pollfd polled{fd, POLLIN, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(kSocketPoll.count()));
    if (ready > 0) return ReadSome(fd, buffer, path_);
    if (ready < 0 && errno != EINTR) return Fail(ErrnoError(errno, "wait for " + Quote(path_)));
    if (clock_->Monotonic() >= deadline) {
      return Fail(ErrorCode::kTimedOut, fmt::format("HAProxy sent nothing for {} on {}",
                                                    FormatDuration(kPatience), Quote(path_)));
    }
  }
}

Result<void> RuntimeApi::Ask(pid_t worker, std::string_view command, const Line& line) const {
  HF_ASSIGN(const Fd fd, ConnectSocket(path_));
  const std::string question =
      worker == 0 ? fmt::format("{}\n", command) : fmt::format("@!{} {}\n", worker, command);
  HF_TRY(WriteAll(fd.get(), AsBytes(question), path_));
  // Otherwise the master would wait for another command.
  if (::shutdown(fd.get(), SHUT_WR) != 0 && errno != ENOTCONN)
    return Fail(ErrnoError(errno, fmt::format("ask {}", Quote(path_))));
  bool was_empty = false;
  std::string last;
  // The last empty line is the end of the answer.
  const auto take = [&](std::string_view one) -> Result<void> {
    if (std::exchange(was_empty, one.empty())) HF_TRY(line(""));
    if (was_empty) return {};
    last = one.substr(0, kShownMax);
    return line(one);
  };
  LineSplitter lines(kLineBytesMax);
  std::array<std::uint8_t, 16384> buffer{};
  for (;;) {
    HF_ASSIGN(const std::size_t count, ReadPiece(fd.get(), buffer));
    if (count == 0) break;
    Result<void> fed = lines.Feed(AsText(ByteView(buffer).first(count)), take);
    if (!fed) {
      return Fail(std::move(fed).error().While(
          fmt::format("HAProxy's answer to {}", Quote(command.substr(0, kShownMax)))));
    }
  }
  if (was_empty && lines.rest().empty()) return {};
  if (worker != 0 && last.starts_with("Can't find the target")) {
    return Fail(ErrorCode::kUnavailable, fmt::format("HAProxy's worker {} has ended", worker));
  }
  return Fail(ErrorCode::kUnavailable, fmt::format("HAProxy's answer to {} ended early",
                                                   Quote(command.substr(0, kShownMax))));
}

Result<std::string> RuntimeApi::AskText(pid_t worker, std::string_view command,
                                        std::size_t bytes_max) const {
  std::string text;
  HF_TRY(Ask(worker, command, [&](std::string_view line) -> Result<void> {
    if (text.size() + line.size() >= bytes_max) {
      return Fail(ErrorCode::kCorrupt, fmt::format("HAProxy's answer to {} is larger than {}",
                                                   Quote(command), FormatBytes(bytes_max)));
    }
    text.append(line).push_back('\n');
    return {};
  }));
  return text;
}

Result<RuntimeApi> RuntimeApi::Open(std::string path, const Clock& clock, std::stop_token stop) {
  RuntimeApi api(std::move(path), clock, std::move(stop));
  HF_ASSIGN(const std::string processes, api.AskText(0, "show proc"));
  if (const auto workers = ParseWorkers(processes)) {
    api.is_master_ = true;
    api.workers_ = *workers;
    if (api.workers_.empty())
      return Fail(ErrorCode::kUnavailable, "HAProxy's master process has no worker");
  } else {
    api.workers_ = {0};
  }
  HF_ASSIGN(std::string level, api.AskText(api.workers_.front(), "show cli level"));
  while (level.ends_with('\n')) level.pop_back();
  if (level != "user" && level != "operator" && level != "admin") {
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("the program that listens on {} does not answer like HAProxy 1.9 or newer: {}",
                    Quote(api.path_), Quote(level.substr(0, kShownMax))),
        "name HAProxy's \"stats socket\", or its master's socket, in \"socket\"");
  }
  api.level_ = std::move(level);
  return api;
}

}  // namespace holdfast::haproxy
