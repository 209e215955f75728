// Measures the cost of the bus: handshakes, a message to every node and its answer, round trips,
// memory, idling. The server is this process, so its own CPU time and memory are measured; the
// nodes are child processes. Run by scripts/bench bus. Prints one JSON object.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iostream>
#include <map>
#include <thread>
#include <vector>

#include "common/base/format.h"
#include "common/bus/bus_client.h"
#include "common/bus/bus_server.h"
#include "common/io/fd.h"
#include "tests/support/seeded_random.h"

namespace holdfast::bus {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr int kNodesPerProcess = 50;
constexpr std::size_t kPlanBytes = 4096;
constexpr int kRoundTrips = 2'000;
constexpr std::chrono::seconds kIdle{5};
constexpr std::chrono::seconds kEndMax{120};

Instant Now() { return SystemClock().Monotonic(); }

// Exits on an error.
template <typename T>
T Must(Result<T> result) {
  if (!result) {
    std::cerr << "bus_bench: " << result.error().Text() << "\n";
    ::_exit(1);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

CurveKeys KeysOf(std::uint64_t number) {
  holdfast::testing::SeededRandom random(number);
  return GenerateCurveKeys(random);
}

double CpuSeconds() {
  struct rusage usage {};
  (void)::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const struct timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentKib() {
  std::ifstream statm("/proc/self/statm");
  double total = 0;
  double resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1024;
}

// A node that greets the server and echoes every message.
void BeNode(const std::string& endpoint, int number) {
  SystemRandom random;
  BusClientOptions options;
  options.endpoint = endpoint;
  options.keys = KeysOf(static_cast<std::uint64_t>(number) + 1);
  options.server.key = KeysOf(0).public_key;
  auto client = Must(BusClient::Open(options, random));
  for (;;) {
    std::optional<BusEvent> event = Must(client->Receive(Now() + kEndMax));
    if (!event) continue;
    if (event->kind == BusEvent::Kind::kConnected) Must(client->Send(AsBytes("hello")));
    if (event->kind == BusEvent::Kind::kMessage) (void)client->Send(event->bytes);
  }
}

// Starts a process of nodes. It begins when it reads the endpoint from the pipe, and ends when the
// pipe is closed.
Fd StartNodes(int first, int count) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) ::_exit(1);
  if (::fork() != 0) {
    ::close(ends[0]);
    return Fd(ends[1]);
  }
  ::close(ends[1]);
  std::array<std::uint8_t, 256> buffer{};
  std::size_t size = Must(ReadSome(ends[0], buffer, "pipe"));
  if (size == 0) ::_exit(0);
  std::string endpoint(AsText(std::span(buffer).first(size)));
  std::vector<std::jthread> nodes;
  for (int i = 0; i < count; ++i) nodes.emplace_back([&, i] { BeNode(endpoint, first + i); });
  (void)ReadSome(ends[0], buffer, "pipe");
  ::_exit(0);
}

class Everybody final : public Authenticator {
 public:
  explicit Everybody(int count) {
    for (int i = 0; i < count; ++i) {
      nodes_[KeysOf(static_cast<std::uint64_t>(i) + 1).public_key] = fmt::format("node-{}", i);
    }
  }
  std::optional<std::string> NodeOf(const CurvePublicKey& key) override {
    auto it = nodes_.find(key);
    return it == nodes_.end() ? std::nullopt : std::optional(it->second);
  }

 private:
  std::map<CurvePublicKey, std::string> nodes_;
};

class Bench {
 public:
  Bench(BusServer& server, int count) : server_(server), count_(count) {}

  void Run(Instant started, double cpu_before, double kib_before) {
    while (server_.counters().nodes < static_cast<std::uint64_t>(count_)) Take();
    Print("connect_s", Seconds(Now() - started).count());
    Print("cpu_ms_per_handshake", (CpuSeconds() - cpu_before) * 1e3 / count_);
    Print("kib_per_node", (ResidentKib() - kib_before) / count_);
    FanOut();
    RoundTrips();
    Print("kib_per_node_after", (ResidentKib() - kib_before) / count_);
    Idle();
  }

 private:
  void Take() {
    if (Now() >= end_) Must(Result<void>(Fail(ErrorCode::kTimedOut, "the nodes do not answer")));
    if (Must(server_.Receive(Now() + std::chrono::seconds(1)))) ++received_;
  }

  void FanOut() {
    Bytes plan(kPlanBytes, 'p');
    Instant before = Now();
    received_ = 0;
    for (int i = 0; i < count_; ++i) Must(server_.Send(fmt::format("node-{}", i), plan));
    Print("fan_out_sent_ms", Seconds(Now() - before).count() * 1e3);
    while (received_ < count_) Take();
    Print("fan_out_answered_ms", Seconds(Now() - before).count() * 1e3);
  }

  void RoundTrips() {
    Bytes word(1024, 'w');
    std::vector<double> taken;
    for (int i = 0; i < kRoundTrips; ++i) {
      Instant before = Now();
      Must(server_.Send(fmt::format("node-{}", i % count_), word));
      for (received_ = 0; received_ == 0;) Take();
      taken.push_back(Seconds(Now() - before).count() * 1e6);
    }
    std::ranges::sort(taken);
    Print("round_trip_p50_us", taken[taken.size() / 2]);
    Print("round_trip_p99_us", taken[taken.size() * 99 / 100]);
  }

  void Idle() {
    double cpu = CpuSeconds();
    for (Instant until = Now() + kIdle; Now() < until;) (void)Must(server_.Receive(until));
    Print("idle_cpu_percent", (CpuSeconds() - cpu) * 100 / Seconds(kIdle).count());
  }

  void Print(std::string_view name, double value) {
    std::cout << fmt::format("{}\"{}\": {:.3f}", is_first_ ? "" : ", ", name, value);
    is_first_ = false;
  }

  BusServer& server_;
  const int count_;
  const Instant end_ = Now() + kEndMax;
  int received_ = 0;
  bool is_first_ = true;
};

int Main(int count) {
  std::vector<Fd> pipes;
  for (int first = 0; first < count; first += kNodesPerProcess) {
    pipes.push_back(StartNodes(first, std::min(kNodesPerProcess, count - first)));
  }
  Everybody everybody(count);
  BusServerOptions options;
  options.endpoint = "tcp://127.0.0.1:*";
  options.keys = KeysOf(0);
  auto server = Must(BusServer::Open(options, everybody));
  Must(server->SelfTest());
  double cpu = CpuSeconds();
  double kib = ResidentKib();
  Instant started = Now();
  for (const Fd& pipe : pipes) Must(WriteAll(pipe.get(), AsBytes(server->endpoint()), "pipe"));

  std::cout << "{";
  Bench(*server, count).Run(started, cpu, kib);
  std::cout << "}\n";
  pipes.clear();
  while (::wait(nullptr) > 0) {
  }
  return 0;
}

}  // namespace
}  // namespace holdfast::bus

int main(int argc, char** argv) {
  int count = 0;
  std::string_view text = argc == 2 ? argv[1] : "";
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > 10'000) {
    std::cerr << "usage: bus_bench NODES (1 to 10000)\n";
    return 2;
  }
  return holdfast::bus::Main(count);
}
