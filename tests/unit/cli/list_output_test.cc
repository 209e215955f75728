#include "agent/cli/list_output.h"

#include <fcntl.h>
#include <nlohmann/json.hpp>

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::cli {
namespace {
using testing::Unwrap;

struct OutputFixture {
  std::string Text() { return std::string(AsText(Unwrap(ReadWholeFile(path)))); }

  TempDir directory = Unwrap(TempDir::Create("list"));
  std::string path = directory.path() + "/out";
  Fd out = Unwrap(OpenFile(path, O_RDWR | O_CREAT, 0600));
  Terminal terminal{out.get(), out.get()};
};

TEST_CASE("list output: JSON is one document, however much is written before its end") {
  OutputFixture fixture;
  const int entries = GENERATE(0, 1, 20'000);
  ListOutput output(fixture.terminal, true, "things");
  for (int i = 0; i < entries; ++i) REQUIRE_OK(output.Add(R"({"a":"b"})"));
  CHECK(output.has_entries() == (entries > 0));

  REQUIRE_OK(output.End("{\n  \"exit_code\": 0\n}\n"));

  const nlohmann::json document = nlohmann::json::parse(fixture.Text());
  CHECK(document["things"].size() == static_cast<std::size_t>(entries));
  CHECK(document["exit_code"] == 0);
  CHECK(document.size() == 2);
}

TEST_CASE("list output: lines for people") {
  OutputFixture fixture;
  ListOutput output(fixture.terminal, false, "things");
  REQUIRE_OK(output.Add("one"));
  REQUIRE_OK(output.Add("two"));
  CHECK(fixture.Text().empty());

  REQUIRE_OK(output.End("that is all\n"));

  CHECK(fixture.Text() == "one\ntwo\nthat is all\n");
}

}  // namespace
}  // namespace holdfast::cli
