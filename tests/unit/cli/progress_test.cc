#include <fcntl.h>

#include <sstream>

#include "agent/cli/progress_printer.h"
#include "common/base/format.h"
#include "common/cli/progress_text.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"
#include "tests/support/pseudo_terminal.h"
#include "tests/support/results.h"

namespace holdfast::cli {
namespace {
using Catch::Contains;
using std::chrono::seconds;
using testing::ManualClock;
using testing::PseudoTerminal;
using testing::Unwrap;

constexpr std::uint64_t kGiB = 1ULL << 30;

ProgressSample HalfDone() {
  return {.subject = "files/app",
          .phase = "save",
          .items = 1204,
          .bytes = 1 * kGiB,
          .bytes_total = 3 * kGiB,
          .bytes_unchanged = kGiB / 2,
          .bytes_per_second = 100 * (1 << 20),
          .seconds_left = 20.4};
}

TEST_CASE("progress: a line shows what is known and nothing else") {
  ProgressSample sample{.subject = "files/app", .phase = "save"};
  REQUIRE(ProgressText(sample) == "files/app: save");
  REQUIRE(ProgressLine(sample, 79) == "files/app: save");
  sample.bytes = 2048;
  sample.items = 1;
  REQUIRE(ProgressText(sample) == "files/app: save, 1 item, 2.00 KiB");
  REQUIRE(ProgressText(HalfDone()) ==
          "files/app: save, 33%, 1,204 items, 1.00 GiB of 3.00 GiB, 512 MiB unchanged, 100 MiB/s, "
          "21s left");
}

TEST_CASE("progress: a total that was exceeded is not shown") {
  ProgressSample sample = HalfDone();
  sample.bytes = 4 * kGiB;
  REQUIRE_FALSE(sample.percent());
  REQUIRE_THAT(ProgressText(sample), Contains("4.00 GiB,") && !Contains("of 3") && !Contains("%"));
}

TEST_CASE("progress: a live line has a bar, and omits what does not fit") {
  const ProgressSample sample = HalfDone();
  CHECK(ProgressLine(sample, 120) ==
        "files/app: save  33% [#####-------------] 1.00 GiB of 3.00 GiB, 100 MiB/s, 21s left, "
        "512 MiB unchanged, 1,204 items");
  CHECK(ProgressLine(sample, 79) ==
        "files/app: save  33% [##------] 1.00 GiB of 3.00 GiB, 100 MiB/s, 21s left");
  CHECK(ProgressLine(sample, 60) == "files/app: save  33% [##------] 100 MiB/s, 21s left");
  ProgressSample longer = sample;
  longer.subject = "files/" + std::string(20, 'a') + std::string(20, 'b');
  CHECK(ProgressLine(longer, 79) ==
        "files/aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb: save  33% [##------] 21s left");
  for (std::size_t width = 20; width <= 140; ++width) {
    INFO(width);
    CHECK(Columns(ProgressLine(sample, width)) <= width);
    CHECK(Columns(ProgressLine(longer, width)) <= width);
  }
}

TEST_CASE("progress: a shortened subject keeps both ends of its source and node") {
  ProgressSample sample = HalfDone();
  sample.subject =
      "files/data-of-a-service-with-quite-a-name-0007@a-node-with-a-long-name.example.com";
  const std::string line = ProgressLine(sample, 78);
  CHECK_THAT(line, Catch::StartsWith("files/") && Contains("-0007@a-node") &&
                       Contains(".com: save  33% ["));
  CHECK(line.size() <= 78);
}

TEST_CASE("progress: a remark is kept where numbers are dropped") {
  ProgressSample sample = HalfDone();
  sample.silent_seconds = 40;
  CHECK(ProgressLine(sample, 60) == "files/app: save  33% [##------] 21s left, no news for 40s");
}

TEST_CASE("progress: the JSON line has null for unknown values") {
  ProgressSample sample{.subject = "files/\xff", .phase = "save", .items = 2, .bytes = 5};
  REQUIRE(ProgressJson(sample) ==
          "{\"type\":\"progress\",\"subject\":\"files/\xef\xbf\xbd\",\"phase\":\"save\","
          "\"items\":2,\"items_total\":null,\"bytes\":5,\"bytes_total\":null,"
          "\"bytes_per_second\":0,\"seconds_left\":null,\"bytes_unchanged\":0,\"percent\":null}");
  REQUIRE_THAT(ProgressJson(HalfDone()),
               Contains("\"seconds_left\":20,\"bytes_unchanged\":536870912,\"percent\":33}"));
}

TEST_CASE(
    "progress: the sum counts running tasks by share, and has a total only if all are known") {
  std::vector<ProgressSample> running = {HalfDone(), HalfDone()};
  running[1].seconds_left = 60;
  ProgressSample done;
  done.bytes = 2 * kGiB;
  const ProgressSample sum = SumOfProgress(2, done, running, 4);
  CHECK(ProgressText(sum) ==
        "all: 2 of 4 done, 66%, 4.00 GiB of 8.00 GiB, 1.00 GiB unchanged, 200 MiB/s, 1m 00s left");
  // Others wait with an unknown amount of work.
  const ProgressSample more = SumOfProgress(2, done, running, 40);
  CHECK(ProgressText(more) == "all: 2 of 40 done, 6%, 4.00 GiB, 1.00 GiB unchanged, 200 MiB/s");
  running[0].seconds_left.reset();
  CHECK_FALSE(SumOfProgress(2, done, running, 4).seconds_left);
  running[0].bytes_total = 0;
  CHECK(SumOfProgress(2, done, running, 4).bytes_total == 0);
}

TEST_CASE("progress: two hundred tasks fit 80 columns and 24 lines") {
  ProgressBoard board;
  for (int i = 0; i < 200; ++i) {
    board.tasks.push_back(HalfDone());
    board.tasks.back().subject =
        fmt::format("files/{}{:03}@node-{:03}", std::string(37, 'n'), i, i);
  }
  board.sum = SumOfProgress(0, {}, board.tasks, 250);
  board.waiting = "50 planned";
  const std::vector<std::string> lines = ProgressLines(board, 79, 23);
  REQUIRE(lines.size() == 23);
  for (const std::string& line : lines) CHECK(Columns(line) <= 79);
  CHECK_THAT(lines[0], Contains("all: 0 of 250 done") && Contains("%"));
  CHECK_THAT(lines[1], Contains("@node-000: save"));
  CHECK(lines[22] == "  and 179 more running, 50 planned");
  CHECK(ProgressLines(board, 79, 1).size() == 1);
  CHECK(ProgressLines(board, 79, 2).size() == 2);
  board.tasks.resize(21);
  board.waiting.clear();
  CHECK(ProgressLines(board, 79, 23).size() == 22);
}

// A printer and the file that it writes to.
struct Printed {
  explicit Printed(ProgressStyle style) : printer(style, terminal, clock) {}
  std::vector<std::string> Lines() const {
    std::istringstream text{std::string(AsText(Unwrap(ReadWholeFile(path))))};
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }
  void Pass(int count) {
    for (int i = 0; i < count; ++i) {
      clock.Advance(seconds(1));
      printer.Poll();
    }
  }

  TempDir directory = Unwrap(TempDir::Create("progress"));
  std::string path = directory.path() + "/err";
  Fd file = Unwrap(OpenFile(path, O_RDWR | O_CREAT, 0600));
  Terminal terminal{file.get(), file.get()};
  ManualClock clock;
  ProgressPrinter printer;
};

TEST_CASE("progress: output to a file has one line every ten seconds") {
  Printed printed(ProgressStyle::kPlain);
  Progress progress;
  progress.SetPhase("save");
  progress.bytes = 1024;
  printed.printer.Begin("files/app", progress);
  printed.Pass(9);
  CHECK(printed.Lines().empty());
  printed.Pass(1);
  CHECK(printed.Lines() == std::vector<std::string>{"files/app: save, 1.00 KiB"});
  printed.Pass(29);
  CHECK(printed.Lines().size() == 3);
  printed.printer.End("files/app");
  printed.Pass(30);
  CHECK(printed.Lines().size() == 3);
}

TEST_CASE("progress: several sources share one line with their sum") {
  Printed printed(ProgressStyle::kPlain);
  printed.printer.Expect(4);
  printed.printer.Skip();
  Progress first;
  first.bytes = 2048;
  first.AddUnchanged(1024);
  printed.printer.Begin("files/one", first);
  printed.printer.End("files/one");
  Progress second;
  second.SetPhase("save");
  second.bytes = 1024;
  second.bytes_total = 2048;
  printed.printer.Begin("files/two", second);
  printed.Pass(10);
  CHECK(printed.Lines() ==
        std::vector<std::string>{"all: 2 of 4 done, 62%, 4.00 KiB, 1.00 KiB unchanged; "
                                 "files/two: save, 50%, 1.00 KiB of 2.00 KiB"});
  printed.printer.End("files/two");
}

TEST_CASE("progress: the rate counts moved bytes") {
  Printed printed(ProgressStyle::kJson);
  Progress progress;
  printed.printer.Begin("files/app", progress);
  printed.Pass(1);
  for (int i = 0; i < 20; ++i) {
    progress.AddUnchanged(kGiB);
    progress.bytes += 1024;
    printed.Pass(1);
  }
  CHECK_THAT(printed.Lines().back(), Contains("\"bytes_per_second\":1024,"));
  CHECK_THAT(printed.Lines().back(), Contains("\"bytes_unchanged\":21474836480,"));
  printed.printer.End("files/app");
}

TEST_CASE("progress: a terminal shows live lines, with messages above them") {
  PseudoTerminal pty(80, 24);
  Terminal terminal(pty.fd(), pty.fd());
  ManualClock clock;
  ProgressPrinter printer(ProgressStyle::kLive, terminal, clock);
  Progress progress;
  progress.SetPhase("save");
  progress.bytes = 1024;
  progress.bytes_total = 4096;
  printer.Begin("files/app", progress);
  clock.Advance(seconds(1));
  printer.Poll();
  CHECK_THAT(pty.Shown(), Contains("files/app: save  25% [####--------------] 1.00 KiB of 4.00"));
  terminal.WriteErrorLine("a warning");
  CHECK_THAT(pty.Shown(), Catch::StartsWith("\r\x1b[1A\x1b[Ja warning\r\nfiles/app: save"));
  printer.End("files/app");
  CHECK(pty.Shown() == "\r\x1b[1A\x1b[J");
}

}  // namespace
}  // namespace holdfast::cli
