// Messages between processes of one host: a UNIX stream socket on which each message has its length
// before it, four bytes, big-endian. Who asks is what the kernel says (SO_PEERCRED, unix(7)).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast {

inline constexpr std::size_t kLocalMessageBytesMax = 4U << 20;

// The process at the other end, as it was when it connected.
struct LocalPeer {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int32_t pid = 0;
};

struct LocalServerOptions {
  std::string path = {};
  unsigned mode = 0600;    // who may connect: write permission on the socket
  std::string group = {};  // the socket's; empty: the process's own
  unsigned connections_max = 256;
  // What a client that does not read may let pile up before it is cut off.
  std::size_t queued_bytes_max = 16U << 20;
};

// Serves with one thread of its own until it goes.
class LocalServer {
 public:
  using ConnectionId = std::uint64_t;  // never used twice
  // Called on the server's thread, one at a time; must not wait for long and may call Send() and
  // Close().
  struct Handler {
    std::function<void(ConnectionId, const LocalPeer&, Bytes message)> message;
    std::function<void(ConnectionId)> closed;  // also after Close(); nothing of it comes later
  };

  virtual ~LocalServer() = default;
  // kBusy when another process answers at `path`; a socket that nobody answers is replaced.
  // kNotFound for an unknown group, kInvalidArgument for a path that is too long.
  static Result<std::unique_ptr<LocalServer>> Listen(const LocalServerOptions& options,
                                                     Handler handler);
  // Queues a message; safe from any thread. Dropped where there is no such connection any more.
  virtual void Send(ConnectionId connection, ByteView message) = 0;
  // Sends what is queued and closes; safe from any thread.
  virtual void Close(ConnectionId connection) = 0;
};

// The other end. One thread at a time.
class LocalClient {
 public:
  // kNotFound: no socket there; kUnavailable: nobody answers; kDenied: we may not.
  static Result<LocalClient> Connect(const std::string& path);

  // kUnavailable when the server is gone.
  Result<void> Send(ByteView message);
  // The next message. kTimedOut when none came within `timeout`, after which it may be asked again;
  // kUnavailable when the server is gone; kCancelled when a signal interrupted the wait.
  Result<Bytes> Receive(std::chrono::milliseconds timeout, const Clock& clock);

 private:
  LocalClient(Fd socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}
  Fd socket_;
  std::string path_;
  Bytes received_;  // the beginning of a message
};

}  // namespace holdfast
