// Messages between processes of one host: a UNIX stream socket on which each message follows its
// length, four bytes, big-endian. The kernel identifies the peer (SO_PEERCRED, SO_PEERGROUPS,
// unix(7)).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast {

inline constexpr std::size_t kLocalMessageBytesMax = 4U << 20;

// The process at the other end when it connected.
struct LocalPeer {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int32_t pid = 0;
  std::vector<std::uint32_t> groups;  // `gid` and the supplementary ones
};

// The group with this name, or else with this number. kNotFound.
Result<std::uint32_t> GroupIdOf(const std::string& name);

struct LocalServerOptions {
  std::string path;
  // Name or number of a group whose members are served, too. The socket then belongs to this group
  // and has mode 0660. If empty, only root and the process's own user are served, and the mode is
  // 0600.
  std::string group;
  unsigned connections_max = 256;
  // A client that does not read is disconnected when more than this is queued.
  std::size_t queued_bytes_max = 16U << 20;
};

// Serves on its own thread until it is destroyed.
class LocalServer {
 public:
  using ConnectionId = std::uint64_t;  // never reused
  // Called on the server's thread, one at a time. Must not block for long; may call Send() and
  // Close().
  struct Handler {
    std::function<void(ConnectionId, const LocalPeer&, Bytes message)> message;
    std::function<void(ConnectionId)> closed;  // also after Close(); the last call for a connection
  };

  virtual ~LocalServer() = default;
  // kBusy when another process serves `path`; a socket without a server is replaced. kNotFound for
  // an unknown group, kInvalidArgument for a path that is too long.
  static Result<std::unique_ptr<LocalServer>> Listen(const LocalServerOptions& options,
                                                     Handler handler);
  // Queues a message; thread-safe. Drops it if the connection no longer exists.
  virtual void Send(ConnectionId connection, ByteView message) = 0;
  // Sends what is queued, then closes; thread-safe.
  virtual void Close(ConnectionId connection) = 0;
};

// The client's end. One thread at a time.
class LocalClient {
 public:
  // kNotFound: there is no socket; kUnavailable: it has no server; kDenied: no permission.
  static Result<LocalClient> Connect(const std::string& path);

  // kUnavailable when the server is gone.
  Result<void> Send(ByteView message);
  // The next message. kTimedOut when none arrives within `timeout`; the caller may try again.
  // kUnavailable when the server is gone; kCancelled when a signal interrupted the wait.
  Result<Bytes> Receive(std::chrono::milliseconds timeout, const Clock& clock);

 private:
  LocalClient(Fd socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}
  Fd socket_;
  std::string path_;
  Bytes received_;  // the start of a message
};

}  // namespace holdfast
