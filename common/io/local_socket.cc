#include "common/io/local_socket.h"

#include <grp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/base/number.h"

namespace holdfast {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kReadBytes = 64U << 10;
constexpr int kBacklog = 64;
constexpr int kFullWaitMs = 1000;

Result<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("socket path {} has {} bytes; expected 1 to {}", Quote(path),
                            path.size(), sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Fd> NewSocket(int flags) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!socket.is_open()) return Fail(ErrnoError(errno, "create a UNIX socket"));
  return socket;
}

Bytes LengthOf(ByteView message) {
  const auto size = static_cast<std::uint32_t>(message.size());
  return {static_cast<std::uint8_t>(size >> 24), static_cast<std::uint8_t>(size >> 16),
          static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size)};
}

enum class Form : std::uint8_t { kWhole, kShort, kTooLong };

// Whether `buffer` begins with a complete message. Sets `length`, without the four bytes.
Form Look(ByteView buffer, std::size_t& length) {
  if (buffer.size() < kLengthBytes) return Form::kShort;
  length = (std::size_t{buffer[0]} << 24) | (std::size_t{buffer[1]} << 16) |
           (std::size_t{buffer[2]} << 8) | std::size_t{buffer[3]};
  if (length > kLocalMessageBytesMax) return Form::kTooLong;
  return buffer.size() - kLengthBytes < length ? Form::kShort : Form::kWhole;
}

// Removes the message of `length` bytes from the front.
Bytes TakeMessage(Bytes& buffer, std::size_t length) {
  const auto begin = buffer.begin() + kLengthBytes;
  const auto end = begin + static_cast<std::ptrdiff_t>(length);
  Bytes message(begin, end);
  buffer.erase(buffer.begin(), end);
  return message;
}

// The peer's primary group, `group`, and its supplementary groups.
std::vector<gid_t> GroupsOf(int socket, gid_t group) {
  std::vector<gid_t> groups(64);
  auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  int result = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
  if (result != 0 && errno == ERANGE) {  // `size` is now the size that is needed
    groups.resize(size / sizeof(gid_t));
    result = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
  }
  groups.resize(result == 0 ? size / sizeof(gid_t) : 0);
  groups.push_back(group);
  return groups;
}

// Checks the peer itself, because the socket's permissions may have been changed.
bool IsServed(const LocalPeer& peer, const std::optional<gid_t>& group) {
  if (peer.uid == 0 || peer.uid == ::geteuid()) return true;
  return group && std::ranges::find(peer.groups, *group) != peer.groups.end();
}

Result<Fd> ListenAt(const LocalServerOptions& options, const std::optional<gid_t>& group) {
  HF_ASSIGN(const sockaddr_un address, AddressOf(options.path));
  HF_ASSIGN(Fd socket, NewSocket(SOCK_NONBLOCK));
  // The file gets the socket's current mode, so it is never open to more users than intended.
  if (::fchmod(socket.get(), 0600) != 0) return Fail(ErrnoError(errno, "set the mode of a socket"));
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Fail(ErrnoError(errno, "create the socket " + Quote(options.path)));
  }
  if (group) {
    if (::chown(options.path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
      return Fail(ErrnoError(
          errno, fmt::format("give {} to group {}", Quote(options.path), Quote(options.group))));
    }
    if (::chmod(options.path.c_str(), 0660) != 0) {
      return Fail(ErrnoError(errno, "chmod " + Quote(options.path)));
    }
  }
  if (::listen(socket.get(), kBacklog) != 0) {
    return Fail(ErrnoError(errno, "listen at " + Quote(options.path)));
  }
  return socket;
}

// Removes the socket of a process that has ended.
Result<void> MakeRoom(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? Result<void>{}
                           : Fail(ErrnoError(errno, "read the attributes of " + Quote(path)));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("{} exists and is not a socket", Quote(path)),
                "name another path, or move it away");
  }
  if (LocalClient::Connect(path)) {
    return Fail(ErrorCode::kBusy, fmt::format("another process serves {}", Quote(path)),
                "check whether it is already running");
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Fail(ErrnoError(errno, "remove " + Quote(path)));
  }
  return {};
}

class LocalServerImpl final : public LocalServer {
 public:
  LocalServerImpl(LocalServerOptions options, std::optional<gid_t> group, Handler handler,
                  Fd listener, Fd wake)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        group_(group),
        listener_(std::move(listener)),
        wake_(std::move(wake)),
        thread_([this](const std::stop_token& stop) { Serve(stop); }) {}

  ~LocalServerImpl() override {
    thread_.request_stop();
    Wake();
    thread_.join();
    (void)::unlink(options_.path.c_str());
  }

  void Send(ConnectionId id, ByteView message) override {
    HF_CHECK(message.size() <= kLocalMessageBytesMax);
    {
      std::lock_guard guard(mutex_);
      const auto found = connections_.find(id);
      if (found == connections_.end() || found->second.closing) return;
      Bytes& queue = found->second.out;
      if (queue.size() + message.size() > options_.queued_bytes_max) {
        found->second.broken = true;  // it does not read, and must not miss a message
      } else {
        const Bytes length = LengthOf(message);
        queue.insert(queue.end(), length.begin(), length.end());
        queue.insert(queue.end(), message.begin(), message.end());
      }
    }
    Wake();
  }

  void Close(ConnectionId id) override {
    {
      std::lock_guard guard(mutex_);
      const auto found = connections_.find(id);
      if (found == connections_.end()) return;
      found->second.closing = true;
    }
    Wake();
  }

 private:
  struct Connection {
    Fd socket;
    LocalPeer peer;
    Bytes in;              // used by the server's thread only
    Bytes out;             // under the mutex, like all below
    bool closing = false;  // close when `out` is sent
    bool broken = false;
  };

  void Wake() {
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof(one));
  }

  void Serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::vector<pollfd> polled = {{wake_.get(), POLLIN, 0}, {listener_.get(), 0, 0}};
      std::vector<ConnectionId> ids;
      {
        std::lock_guard guard(mutex_);
        if (!is_full_ && connections_.size() < options_.connections_max) polled[1].events = POLLIN;
        for (const auto& [id, connection] : connections_) {
          const int events = POLLIN | (connection.out.empty() ? 0 : POLLOUT);
          polled.push_back({connection.socket.get(), static_cast<short>(events), 0});
          ids.push_back(id);
        }
      }
      const int ready = ::poll(polled.data(), polled.size(), is_full_ ? kFullWaitMs : -1);
      is_full_ = false;
      if (ready < 0) continue;  // EINTR
      if (polled[0].revents != 0) {
        std::uint64_t count = 0;
        (void)!::read(wake_.get(), &count, sizeof(count));
      }
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if ((polled[i + 2].revents & (POLLIN | POLLHUP | POLLERR)) != 0) Receive(ids[i]);
      }
      Flush();
      if (polled[1].revents != 0) Accept();
    }
  }

  void Accept() {
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.is_open()) {
      // A client that has disconnected again does not matter. Without free descriptors it stays in
      // the queue, and an immediate retry would only waste time.
      is_full_ = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      return;
    }
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return;
    LocalPeer peer{.uid = credentials.uid,
                   .gid = credentials.gid,
                   .pid = credentials.pid,
                   .groups = GroupsOf(socket.get(), credentials.gid)};
    if (!IsServed(peer, group_)) return;
    std::lock_guard guard(mutex_);
    Connection& connection = connections_[next_id_++];
    connection.socket = std::move(socket);
    connection.peer = std::move(peer);
  }

  // Only this thread adds and removes connections, so the result stays valid without the mutex.
  Connection* Find(ConnectionId id) {
    std::lock_guard guard(mutex_);
    const auto found = connections_.find(id);
    return found == connections_.end() ? nullptr : &found->second;
  }

  void Receive(ConnectionId id) {
    Connection* connection = Find(id);
    std::array<std::uint8_t, kReadBytes> buffer;
    const ssize_t count = ::read(connection->socket.get(), buffer.data(), buffer.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return Break(*connection);
    connection->in.insert(connection->in.end(), buffer.begin(), buffer.begin() + count);
    for (;;) {
      std::size_t length = 0;
      const Form form = Look(connection->in, length);
      if (form == Form::kTooLong) return Break(*connection);
      if (form == Form::kShort) return;
      handler_.message(id, connection->peer, TakeMessage(connection->in, length));
    }
  }

  void Break(Connection& connection) {
    std::lock_guard guard(mutex_);
    connection.broken = true;
  }

  // Writes what the sockets accept, and removes finished connections.
  void Flush() {
    std::vector<ConnectionId> gone;
    {
      std::lock_guard guard(mutex_);
      for (auto entry = connections_.begin(); entry != connections_.end();) {
        if (WriteOut(entry->second)) {
          ++entry;
        } else {
          gone.push_back(entry->first);
          entry = connections_.erase(entry);
        }
      }
    }
    for (const ConnectionId id : gone) {
      if (handler_.closed) handler_.closed(id);
    }
  }

  // Whether the connection stays open.
  static bool WriteOut(Connection& connection) {
    while (!connection.out.empty() && !connection.broken) {
      const ssize_t count = ::send(connection.socket.get(), connection.out.data(),
                                   connection.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN) break;
        connection.broken = true;
      } else {
        connection.out.erase(connection.out.begin(), connection.out.begin() + count);
      }
    }
    return !connection.broken && !(connection.closing && connection.out.empty());
  }

  const LocalServerOptions options_;
  const Handler handler_;
  const std::optional<gid_t> group_;
  const Fd listener_;
  const Fd wake_;
  std::mutex mutex_;
  std::map<ConnectionId, Connection> connections_;
  ConnectionId next_id_ = 1;
  bool is_full_ = false;  // used by the server's thread only
  std::jthread thread_;   // last: everything else exists when it starts
};

}  // namespace

Result<std::uint32_t> GroupIdOf(const std::string& name) {
  std::array<char, 4096> buffer{};
  group entry{};
  group* found = nullptr;
  const int failure = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (failure != 0) return Fail(ErrnoError(failure, "look up group " + Quote(name)));
  const std::optional<gid_t> number = ParseWhole<gid_t>(name);
  if (found == nullptr && number) return *number;
  if (found == nullptr) {
    return Fail(ErrorCode::kNotFound, fmt::format("group {} does not exist", Quote(name)),
                "name another one, or create it: systemd-sysusers, groupadd");
  }
  return entry.gr_gid;
}

Result<std::unique_ptr<LocalServer>> LocalServer::Listen(const LocalServerOptions& options,
                                                         Handler handler) {
  HF_CHECK(handler.message != nullptr);
  HF_TRY(MakeRoom(options.path));
  std::optional<gid_t> group;
  if (!options.group.empty()) {
    HF_ASSIGN(group, GroupIdOf(options.group));
  }
  HF_ASSIGN(Fd listener, ListenAt(options, group));
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.is_open()) return Fail(ErrnoError(errno, "create an event descriptor"));
  return std::make_unique<LocalServerImpl>(options, group, std::move(handler), std::move(listener),
                                           std::move(wake));
}

Result<LocalClient> LocalClient::Connect(const std::string& path) {
  HF_ASSIGN(const sockaddr_un address, AddressOf(path));
  HF_ASSIGN(Fd socket, NewSocket(0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno == ECONNREFUSED) {
      return Fail(ErrorCode::kUnavailable, fmt::format("no program serves {}", Quote(path)));
    }
    return Fail(ErrnoError(errno, "connect to " + Quote(path)));
  }
  return LocalClient(std::move(socket), path);
}

Result<void> LocalClient::Send(ByteView message) {
  HF_CHECK(message.size() <= kLocalMessageBytesMax);
  Bytes framed = LengthOf(message);
  framed.insert(framed.end(), message.begin(), message.end());
  ByteView rest = framed;
  while (!rest.empty()) {
    const ssize_t count = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR) continue;
      return Fail(ErrorCode::kUnavailable, fmt::format("{} is no longer served", Quote(path_)));
    }
    rest = rest.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<Bytes> LocalClient::Receive(std::chrono::milliseconds timeout, const Clock& clock) {
  const Instant deadline = clock.Monotonic() + timeout;
  for (;;) {
    std::size_t length = 0;
    const Form form = Look(received_, length);
    if (form == Form::kWhole) return TakeMessage(received_, length);
    if (form == Form::kTooLong) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{} sent a message of {}", Quote(path_), FormatBytes(length)));
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock.Monotonic());
    if (left.count() < 0) {
      return Fail(ErrorCode::kTimedOut, fmt::format("{} did not answer within {}", Quote(path_),
                                                    FormatDuration(timeout)));
    }
    pollfd polled{socket_.get(), POLLIN, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(left.count()));
    if (ready < 0) return Fail(ErrorCode::kCancelled, "interrupted by a signal");
    if (ready == 0) continue;
    const std::size_t held = received_.size();
    received_.resize(held + kReadBytes);
    const ssize_t count = ::read(socket_.get(), received_.data() + held, kReadBytes);
    received_.resize(held + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      return Fail(ErrorCode::kUnavailable, fmt::format("{} is no longer served", Quote(path_)));
    }
  }
}

}  // namespace holdfast
