// What scripts/bench sources needs of ZooKeeper that no client does fast enough.
//
//   zookeeper_bench make FILE NODES BYTES
//       writes a snapshot with NODES nodes below /load, a thousand per parent, with BYTES bytes
//       each, half of them incompressible
//   zookeeper_bench read DATA_DIR LOG_DIR
//       prints what the agent's reader finds in a server's files, and how many seconds it took:
//       SECONDS ZXID NODES DIGEST ZXID_UP_TO_WHICH_ZOOKEEPER_SAYS_THE_SAME
//   zookeeper_bench write HOST:PORT,... NODES BYTES WRITES_PER_SECOND CLIENTS
//       clients set such nodes at the given rate until standard input ends. Prints for each write,
//       in microseconds of the monotonic clock, when it was due and how much later it was confirmed
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/sources/zookeeper/client.h"
#include "agent/sources/zookeeper/pinned_files.h"
#include "agent/sources/zookeeper/tree_facts.h"
#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/base/wait.h"
#include "common/io/atomic_file.h"
#include "tests/bench/content.h"
#include "tests/support/seeded_random.h"
#include "tests/support/zookeeper_files.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::uint64_t kChildren = 1000;
constexpr std::size_t kContents = 4096;  // reused, because generating content is not measured

[[noreturn]] void Die(std::string_view message) {
  fmt::print(stderr, "zookeeper_bench: {}\n", message);
  std::exit(2);
}

template <typename T>
T Need(Result<T> result) {
  if (!result) Die(result.error().Text());
  return *std::move(result);
}

std::uint64_t Number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number == 0)
    Die(fmt::format("\"{}\" is no number", text));
  return number;
}

std::string ParentPath(std::uint64_t node) { return fmt::format("/load/{:06}", node / kChildren); }
std::string NodePath(std::uint64_t node) {
  return fmt::format("{}/{:09}", ParentPath(node), node % kChildren);
}

std::vector<std::string> MakeContents(std::size_t bytes) {
  testing::SeededRandom random(1);
  std::vector<std::string> contents(kContents);
  for (std::string& content : contents) {
    bench::AppendRandom(random, bytes / 2, content);
    bench::AppendLog(random, bytes - bytes / 2, content);
  }
  return contents;
}

void Make(const std::string& file, std::uint64_t count, std::size_t bytes) {
  const std::vector<std::string> contents = MakeContents(bytes);
  testing::TestSnapshot snapshot;
  snapshot.nodes = {
      {.path = ""}, {.path = "/zookeeper"}, {.path = "/zookeeper/quota"}, {.path = "/load"}};
  for (std::uint64_t node = 0; node < count; ++node) {
    if (node % kChildren == 0) snapshot.nodes.push_back({.path = ParentPath(node)});
    snapshot.nodes.push_back({.path = NodePath(node), .data = contents[node % kContents]});
  }
  if (const auto made = WriteFileAtomic(file, testing::BuildSnapshot(snapshot), 0644); !made)
    Die(made.error().Text());
}

void Read(const std::string& data_dir, const std::string& log_dir) {
  const SystemClock clock;
  const Instant begin = clock.Monotonic();
  const PinnedFiles files = Need(PinnedFiles::Open({.data_dir = data_dir, .log_dir = log_dir}, {}));
  const TreeFacts facts = Need(ReadTreeFacts(files.Tree(), {}));
  const std::chrono::duration<double> took = clock.Monotonic() - begin;
  const bool is_same = facts.logged && !facts.first_difference;
  fmt::print("{:.3f} {:#x} {} {:#x} {:#x}\n", took.count(), facts.zxid, facts.nodes, facts.digest,
             is_same ? facts.logged->zxid : 0);
}

std::int64_t Microseconds(Instant::duration time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

struct Load {
  ClientAccess access;
  std::uint64_t nodes = 0;
  std::vector<std::string> contents;
  std::chrono::nanoseconds between{};  // between two writes of a client
  std::mutex output;
};

// Waits for each answer. The latency of a delayed write counts from when it was due.
void Write(Load& load, std::uint64_t number, std::chrono::nanoseconds offset,
           const std::stop_token& stop) {
  const SystemClock clock;
  testing::SeededRandom random(number + 1);
  ClientAccess access = load.access;
  std::rotate(access.servers.begin(),
              access.servers.begin() + static_cast<std::ptrdiff_t>(number % access.servers.size()),
              access.servers.end());
  Client client = Need(Client::Connect(access, random));
  for (Instant due = clock.Monotonic() + offset;; due += load.between) {
    if (!WaitFor(std::max(due - clock.Monotonic(), Instant::duration::zero()), stop)) break;
    const Bytes content = ToBytes(load.contents[random.Next64() % kContents]);
    const auto done = client.SetData(NodePath(random.Next64() % load.nodes), content, -1);
    if (!done) Die(done.error().Text());
    const Instant::duration took = clock.Monotonic() - due;
    const std::lock_guard lock(load.output);
    fmt::print("{} {}\n", Microseconds(due.time_since_epoch()), Microseconds(took));
  }
  client.Close();
}

void WriteAll(const std::string& servers, std::uint64_t nodes, std::size_t bytes,
              std::uint64_t rate, std::uint64_t clients) {
  Load load;
  load.nodes = nodes;
  load.contents = MakeContents(bytes);
  for (std::size_t at = 0; at <= servers.size();) {
    const std::size_t end = std::min(servers.find(',', at), servers.size());
    const auto address = ParseAddress(std::string_view(servers).substr(at, end - at));
    if (!address) Die("want HOST:PORT,...");
    load.access.servers.push_back(*address);
    at = end + 1;
  }
  load.between = std::chrono::nanoseconds(std::chrono::seconds(clients)) / rate;
  std::vector<std::jthread> threads;
  for (std::uint64_t number = 0; number < clients; ++number)
    threads.emplace_back([&load, number, clients](const std::stop_token& stop) {
      Write(load, number, load.between / clients * number, stop);
    });
  std::array<char, 64> rest{};
  while (std::fread(rest.data(), 1, rest.size(), stdin) > 0) {
  }
}

}  // namespace
}  // namespace holdfast::zookeeper

int main(int argc, char** argv) {
  using namespace holdfast::zookeeper;
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 4 && words[0] == "make") {
    Make(words[1], Number(words[2]), Number(words[3]));
  } else if (words.size() == 3 && words[0] == "read") {
    Read(words[1], words[2]);
  } else if (words.size() == 6 && words[0] == "write") {
    WriteAll(words[1], Number(words[2]), Number(words[3]), Number(words[4]), Number(words[5]));
  } else {
    Die("want: make FILE NODES BYTES | read DATA_DIR LOG_DIR | write HOST:PORT,... NODES BYTES "
        "WRITES_PER_SECOND CLIENTS");
  }
  return 0;
}
