// Simulates a distant network: forwards TCP connections to another local port and delays each byte
// by the same time, without limiting bandwidth.
//
//   latency_proxy PORT TARGET_PORT MILLISECONDS     the round trip time
//
// Runs until it is killed; prints "ready" when it listens.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <list>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/base/wait.h"
#include "common/io/fd.h"

namespace holdfast {
namespace {

constexpr std::size_t kPieceBytes = 256U << 10;
// Limit of the data in flight in one direction: more than any peer sends before it waits for an
// answer.
constexpr std::size_t kPiecesMax = 256;

// One direction of a connection. Bytes wait in it until they are due.
class Line {
 public:
  void Push(Instant due, std::vector<char> piece) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return pieces_.size() < kPiecesMax || is_cut_; });
    pieces_.emplace_back(due, std::move(piece));
    changed_.notify_all();
  }
  // An empty piece marks the end.
  std::pair<Instant, std::vector<char>> Pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !pieces_.empty(); });
    auto piece = std::move(pieces_.front());
    pieces_.pop_front();
    changed_.notify_all();
    return piece;
  }
  // Nothing will be popped any more.
  void Cut() {
    std::lock_guard lock(mutex_);
    is_cut_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Instant, std::vector<char>>> pieces_;
  bool is_cut_ = false;
};

void Pass(int from, int to, std::chrono::nanoseconds delay) {
  const SystemClock clock;
  Line line;
  std::jthread reader([&] {
    for (;;) {
      std::vector<char> piece(kPieceBytes);
      const ssize_t count = ::recv(from, piece.data(), piece.size(), 0);
      piece.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
      const bool is_end = piece.empty();
      line.Push(clock.Monotonic() + delay, std::move(piece));
      if (is_end) return;
    }
  });
  for (;;) {
    const auto [due, piece] = line.Pop();
    if (const auto left = due - clock.Monotonic(); left.count() > 0) (void)WaitFor(left);
    std::size_t sent = 0;
    while (sent < piece.size()) {
      const ssize_t count = ::send(to, piece.data() + sent, piece.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<std::size_t>(count);
    }
    if (piece.empty() || sent < piece.size()) break;
  }
  line.Cut();
  (void)::shutdown(to, SHUT_WR);
  (void)::shutdown(from, SHUT_RD);
}

// Both sockets stay open until both directions have ended.
struct Connection {
  Connection(Fd near, Fd far, std::chrono::nanoseconds delay)
      : client(std::move(near)),
        target(std::move(far)),
        there([this, delay] { Pass(client.get(), target.get(), delay); }),
        back([this, delay] { Pass(target.get(), client.get(), delay); }) {}
  Fd client;
  Fd target;
  std::jthread there;
  std::jthread back;
};

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

Fd NewSocket() {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  (void)::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return socket;
}

int Serve(std::uint16_t port, std::uint16_t target_port, std::chrono::nanoseconds delay) {
  const Fd listener = NewSocket();
  sockaddr_in address = Loopback(port);
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.get(), 128) != 0) {
    std::perror("latency_proxy: listen");
    return 1;
  }
  fmt::print("ready\n");
  (void)std::fflush(stdout);
  const sockaddr_in target_address = Loopback(target_port);
  std::list<Connection> connections;  // a few dozen at most; kept until exit
  for (;;) {
    Fd client(::accept(listener.get(), nullptr, nullptr));
    if (!client.is_open()) return 1;
    Fd target = NewSocket();
    if (::connect(target.get(), reinterpret_cast<const sockaddr*>(&target_address),
                  sizeof target_address) != 0) {
      continue;
    }
    connections.emplace_back(std::move(client), std::move(target), delay);
  }
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  std::array<unsigned, 3> numbers{};
  bool is_good = argc == 4;
  for (std::size_t i = 0; is_good && i < numbers.size(); ++i) {
    const std::string_view text = argv[i + 1];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), numbers[i]);
    is_good = error == std::errc() && end == text.data() + text.size() && numbers[i] < 65536;
  }
  if (!is_good) {
    fmt::print(stderr, "latency_proxy: want PORT TARGET_PORT MILLISECONDS\n");
    return 2;
  }
  return holdfast::Serve(static_cast<std::uint16_t>(numbers[0]),
                         static_cast<std::uint16_t>(numbers[1]),
                         std::chrono::microseconds(500) * numbers[2]);
}
