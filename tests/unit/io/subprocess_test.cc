#include "common/io/subprocess.h"

#include <fcntl.h>

#include <filesystem>

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {
using testing::Unwrap;

TEST_CASE("subprocess: the input is empty; both outputs and the exit code are returned") {
  SubprocessOptions options;
  options.environment = {{"HF_WORD", "world"}};
  auto outcome = Unwrap(
      RunProgram({"sh", "-c", "cat; echo \"hello $HF_WORD\"; echo oops >&2; exit 3"}, options));
  REQUIRE(outcome.out == "hello world\n");
  REQUIRE(outcome.err == "oops\n");
  REQUIRE(outcome.exit_code == 3);
}

TEST_CASE("subprocess: works in an open directory, wherever it is") {
  const TempDir temp = Unwrap(TempDir::Create("subprocess"));
  REQUIRE_OK(MakeDirectories(temp.path() + "/before"));
  const Fd opened = Unwrap(OpenFile(temp.path() + "/before", O_RDONLY | O_DIRECTORY));
  std::filesystem::rename(temp.path() + "/before", temp.path() + "/after");
  SubprocessOptions options;
  options.opened = opened.get();
  REQUIRE(Unwrap(RunProgram({"sh", "-c", ": > made"}, options)).exit_code == 0);
  REQUIRE(std::filesystem::exists(temp.path() + "/after/made"));
}

TEST_CASE("subprocess: output beyond the limit is read and dropped") {
  SubprocessOptions options;
  options.output_max = 1000;
  auto outcome = Unwrap(RunProgram({"sh", "-c", "yes | head -c 3000000"}, options));
  REQUIRE(outcome.out.size() == 1000);
  REQUIRE(outcome.exit_code == 0);
}

TEST_CASE("subprocess: a program that exceeds its timeout is killed with its children") {
  SubprocessOptions options;
  options.timeout = std::chrono::milliseconds(50);
  REQUIRE_FAILS(RunProgram({"sh", "-c", "sleep 600 & wait"}, options), ErrorCode::kTimedOut,
                ": still running after 50ms");
}

TEST_CASE("subprocess: stops on request") {
  std::stop_source source;
  source.request_stop();
  SubprocessOptions options;
  options.stop = source.get_token();
  REQUIRE_FAILS(RunProgram({"sleep", "600"}, options), ErrorCode::kCancelled, "stopped by request");
}

TEST_CASE("subprocess: a signal is distinguished from an exit code") {
  REQUIRE(Unwrap(RunProgram({"sh", "-c", "kill -9 $$"})).exit_code == 137);
}

TEST_CASE("subprocess: an error at start names the program") {
  REQUIRE_FAILS(RunProgram({"no-such-program-here"}), ErrorCode::kNotFound,
                "\"no-such-program-here\" not found");
  SubprocessOptions options;
  options.directory = "/nonexistent";
  REQUIRE_FAILS(RunProgram({"true"}, options), ErrorCode::kNotFound, "start \"");
}

}  // namespace
}  // namespace holdfast
