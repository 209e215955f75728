#include "common/io/reachability.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast {
namespace {

// 0 if connected, otherwise an errno value.
int Connect(const addrinfo& address, std::chrono::milliseconds patience) {
  const Fd socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open()) return errno;
  if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd waiting{.fd = socket.get(), .events = POLLOUT, .revents = 0};
  const int ready = ::poll(&waiting, 1, static_cast<int>(patience.count()));
  if (ready < 0) return errno;
  if (ready == 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

}  // namespace

Result<void> CheckReachable(const std::string& host, const std::string& port,
                            std::chrono::milliseconds patience) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int outcome = ::getaddrinfo(host.c_str(), port.c_str(), &wanted, &found);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> keep(found, &::freeaddrinfo);
  if (outcome != 0) {
    return Fail(ErrorCode::kNotFound, fmt::format("could not resolve host {}", Quote(host)));
  }
  int error = 0;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    error = Connect(*one, patience);
    if (error == 0) return {};
  }
  const std::string where = fmt::format("connect to {}", Quote(host + ":" + port));
  const ErrorCode code = error == ETIMEDOUT ? ErrorCode::kTimedOut : ErrorCode::kUnavailable;
  return Fail(code, ErrnoError(error, where).message());
}

}  // namespace holdfast
