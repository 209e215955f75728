#include "agent/sources/haproxy/listen_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>

#include "common/base/format.h"
#include "common/base/text.h"
#include "common/io/fd.h"

namespace holdfast::haproxy {

namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

std::optional<SocketAddress> MakeAddress(const std::string& host, std::uint16_t port) {
  SocketAddress address;
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.length = sizeof(v4);
    std::memcpy(&address.storage, &v4, sizeof(v4));
    return address;
  }
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return std::nullopt;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  address.length = sizeof(v6);
  std::memcpy(&address.storage, &v6, sizeof(v6));
  return address;
}

// Binds for a moment without listening, so that no client can connect.
bool IsInUse(const ListenAddress& listen) {
  std::optional<SocketAddress> address = MakeAddress(listen.host, listen.port);
  if (!address) return false;
  Fd fd(::socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return false;
  int on = 1;
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address->storage.ss_family == AF_INET6) {
    (void)::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address->storage), address->length) !=
             0 &&
         errno == EADDRINUSE;
}

// Inodes of sockets that listen on the port, on any address. Format: proc(5), /proc/net/tcp.
std::set<std::string> ListeningInodes(std::uint16_t port) {
  std::set<std::string> inodes;
  std::string wanted = fmt::format(":{:04X}", port);
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    Result<Bytes> content = ReadWholeFile(table, 64U << 20);
    if (!content) continue;
    std::string_view rest = AsText(*content);
    while (!rest.empty()) {
      std::string_view line = TakePart(rest, '\n');
      // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
      std::vector<std::string_view> fields;
      while (fields.size() < 10) {
        std::size_t begin = line.find_first_not_of(' ');
        if (begin == std::string_view::npos) break;
        line.remove_prefix(begin);
        std::size_t end = std::min(line.find(' '), line.size());
        fields.push_back(line.substr(0, end));
        line.remove_prefix(end);
      }
      constexpr std::string_view kListening = "0A";
      if (fields.size() == 10 && fields[1].ends_with(wanted) && fields[3] == kListening) {
        inodes.emplace(fields[9]);
      }
    }
  }
  return inodes;
}

// Whether the process has one of the sockets open; true if it may not be inspected.
bool Holds(pid_t pid, const std::set<std::string>& inodes) {
  std::error_code failure;
  std::filesystem::directory_iterator entries(fmt::format("/proc/{}/fd", pid), failure);
  if (failure) return failure != std::errc::no_such_file_or_directory;
  for (; entries != std::filesystem::directory_iterator(); entries.increment(failure)) {
    if (failure) return true;
    std::string link = std::filesystem::read_symlink(entries->path(), failure).string();
    constexpr std::string_view kLead = "socket:[";
    if (failure || !link.starts_with(kLead)) continue;
    if (inodes.contains(link.substr(kLead.size(), link.size() - kLead.size() - 1))) return true;
  }
  return false;
}

}  // namespace

std::vector<ListenAddress> ParseListenAddresses(std::string_view text, const std::string& place) {
  std::vector<ListenAddress> addresses;
  while (!text.empty()) {
    std::string_view one = TakePart(text, ',');
    for (std::string_view prefix : {"ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"}) {
      if (one.starts_with(prefix)) one.remove_prefix(prefix.size());
    }
    std::size_t colon = one.rfind(':');
    if (colon == std::string_view::npos) continue;
    ListenAddress address;
    address.place = place;
    std::string_view port = one.substr(colon + 1);
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc() || end != port.data() + port.size() || address.port == 0) continue;
    std::string_view host = one.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    address.host = host.empty() || host == "*" ? "0.0.0.0" : std::string(host);
    if (MakeAddress(address.host, address.port)) addresses.push_back(std::move(address));
  }
  return addresses;
}

Result<void> CheckListenAddresses(const std::vector<ListenAddress>& addresses,
                                  const ProcessState& running) {
  for (const ListenAddress& address : addresses) {
    if (!IsInUse(address)) continue;
    std::set<std::string> inodes = ListeningInodes(address.port);
    bool is_ours = inodes.empty() || Holds(running.master, inodes);
    for (const Worker& worker : running.workers) {
      is_ours = is_ours || Holds(worker.pid, inodes);
    }
    if (is_ours) continue;
    return Fail(ErrorCode::kBusy,
                fmt::format("another program listens on port {} of {}, which the snapshot's "
                            "configuration uses in {}",
                            address.port, address.host, address.place),
                "stop that program, or restore with --to and change the address");
  }
  return {};
}

}  // namespace holdfast::haproxy
