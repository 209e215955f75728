#include "common/cli/table.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "common/base/format.h"
#include "tests/support/catch.h"

namespace holdfast::cli {
namespace {
using Catch::Contains;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::size_t Widest(const std::string& text) {
  std::size_t widest = 0;
  for (const std::string& line : Lines(text)) widest = std::max(widest, Columns(line));
  return widest;
}

TEST_CASE("table: columns are aligned, numbers to the right") {
  const std::string table = FormatTable({{"NAME"}, {"ITEMS", true}, {"TAGS"}},
                                        {{"a", "1", "x"}, {"long", "1,000", ""}}, 0);
  REQUIRE(table ==
          "NAME  ITEMS  TAGS\n"
          "a         1  x\n"
          "long  1,000\n");
}

TEST_CASE(
    "table: widths count columns, not bytes or characters, and control characters are escaped") {
  REQUIRE(FormatTable({{"A"}, {"B"}}, {{"\u00e4", "x"}, {"ab", "y"}}, 0) ==
          "A   B\n\u00e4   x\nab  y\n");
  REQUIRE(FormatTable({{"A"}, {"B"}}, {{"\u4e2d", "x"}, {"abc", "y"}, {"e\u0301", "z"}}, 0) ==
          "A    B\n\u4e2d   x\nabc  y\ne\u0301    z\n");
  REQUIRE(FormatTable({{"A"}}, {{"a\x1b[2Jb\n"}}, 0) == "A\na\\x1b[2Jb\\x0a\n");
}

TEST_CASE("table: output to a file is never shortened") {
  const std::string name(500, 'n');
  const std::string table = FormatTable({{.title = "SOURCE", .is_flexible = true},
                                         {.title = "NOTE", .is_flexible = true, .drop_rank = 1}},
                                        {{name, name}}, 0);
  REQUIRE(Lines(table).size() == 2);
  REQUIRE(Lines(table)[1] == name + "  " + name);
}

TEST_CASE("table: flexible columns are shortened before any is dropped") {
  const std::vector<Column> columns = {{"ID"},
                                       {.title = "NOTE", .is_flexible = true, .drop_rank = 2},
                                       {.title = "SIZE", .drop_rank = 3}};
  const Rows rows = {{"12345678", "a note of some length", "1 KiB"}};

  REQUIRE(FormatTable(columns, rows, 38) ==
          "ID        NOTE                   SIZE\n"
          "12345678  a note of some length  1 KiB\n");
  REQUIRE(FormatTable(columns, rows, 30) ==
          "ID        NOTE           SIZE\n"
          "12345678  a note of so~  1 KiB\n");
  REQUIRE(FormatTable(columns, rows, 28) ==
          "ID        NOTE\n"
          "12345678  a note of some le~\n"
          "columns not shown: SIZE\n"
          "  (wider terminal or --json)\n");
}

TEST_CASE("table: columns are dropped by rank, and the last lines name them") {
  const std::vector<Column> columns = {{.title = "SOURCE", .is_flexible = true},
                                       {.title = "STATE", .drop_rank = 1},
                                       {.title = "READ", .is_right = true, .drop_rank = 4},
                                       {.title = "ADDED", .is_right = true, .drop_rank = 3},
                                       {.title = "TIME", .is_right = true, .drop_rank = 2}};
  const Rows rows = {{"files/" + std::string(40, 'a'), "done", "1.00 GiB", "512 MiB", "1m 07s"}};

  CHECK_THAT(FormatTable(columns, rows, 80), !Contains("not shown"));
  CHECK_THAT(FormatTable(columns, rows, 79),
             Contains("ADDED") && Contains("columns not shown: READ (wider terminal or --json)\n"));
  const std::string narrow = FormatTable(columns, rows, 62);
  CHECK_THAT(narrow, Contains("done") && Contains("1m 07s") &&
                         Contains("columns not shown: READ, ADDED (wider terminal or --json)\n"));
  for (std::size_t width = 20; width < 90; ++width) {
    INFO(width);
    CHECK(Widest(FormatTable(columns, rows, width)) <= width);
  }
}

TEST_CASE("table: a narrow column is kept where a wider one of lower rank does not fit") {
  const std::vector<Column> columns = {
      {"ID"}, {.title = "TIME", .drop_rank = 1}, {.title = "PID", .drop_rank = 2}};
  CHECK(FormatTable(columns, {{"12345678", "2026-01-02T03:04:05Z", "42"}}, 20) ==
        "ID        PID\n"
        "12345678  42\n"
        "columns not shown:\n"
        "  TIME (wider\n"
        "  terminal or\n"
        "  --json)\n");
}

TEST_CASE("table: a key is shortened in the middle, and different keys stay different") {
  const std::vector<Column> columns = {{.title = "SOURCE", .is_flexible = true}};
  const std::string middle(60, '-');
  SECTION("the ends differ") {
    CHECK(FormatTable(columns, {{"alpha" + middle + "1"}, {"alpha" + middle + "2"}}, 20) ==
          "SOURCE\n"
          "alpha-----~--------1\n"
          "alpha-----~--------2\n");
  }
  SECTION("the beginnings differ") {
    CHECK(FormatTable(columns, {{"1" + middle + "end"}, {"2" + middle + "end"}}, 20) ==
          "SOURCE\n"
          "1---------~------end\n"
          "2---------~------end\n");
  }
  SECTION("they differ after a long common prefix") {
    const std::string front(14, 'f');
    const std::string back(30, 'b');
    CHECK(FormatTable(columns, {{front + "1" + back}, {front + "2" + back}}, 20) ==
          "SOURCE\n"
          "ffffffffffffff1~bbbb\n"
          "ffffffffffffff2~bbbb\n");
  }
  SECTION("they differ only in the shortened part") {
    CHECK(FormatTable(columns,
                      {{middle + "1" + middle}, {middle + "2" + middle}, {middle + "2" + middle}},
                      20) ==
          "SOURCE\n"
          "----------~---------\n"
          "----------~2~-------\n"
          "----------~2~-------\n");
  }
  SECTION("two hundred keys") {
    Rows rows;
    for (int i = 0; i < 200; ++i) {
      rows.push_back(
          {fmt::format("files/{}{:03}{}", std::string(30, 'x'), i, std::string(30, 'y'))});
    }
    for (std::size_t width : {9U, 16U, 30U, 50U}) {
      INFO(width);
      const std::vector<std::string> lines = Lines(FormatTable(columns, rows, width));
      CHECK(std::set<std::string>(lines.begin(), lines.end()).size() == 201);
      CHECK(Widest(FormatTable(columns, rows, width)) <= width);
    }
  }
}

TEST_CASE("table: a shortened name keeps both ends of its source and node") {
  const std::vector<Column> columns = {{.title = "SOURCE", .is_flexible = true},
                                       {.title = "STATE", .drop_rank = 1}};
  Rows rows;
  for (int i = 0; i < 200; ++i) {
    rows.push_back({fmt::format("files/data-of-a-service-with-quite-a-name-{:04}"
                                "@a-node-with-a-long-name.example.com",
                                i),
                    "done"});
  }
  const std::string table = FormatTable(columns, rows, 56);
  CHECK_THAT(table, Contains("\nfiles/data-o~a-name-0000@a-node-with-~example.com  done\n"));
  CHECK_THAT(table, Contains("\nfiles/data-o~a-name-0199@a-node-with-~example.com  done\n"));
  const std::vector<std::string> lines = Lines(table);
  CHECK(std::set<std::string>(lines.begin(), lines.end()).size() == 201);
  CHECK(Widest(table) <= 56);
}

TEST_CASE("table: the differing part of two rows is kept, before or after the @") {
  const std::vector<Column> columns = {{.title = "SOURCE", .is_flexible = true}};
  const std::string long_name(40, 'n');
  CHECK(FormatTable(columns, {{"files/" + long_name + "@a"}, {"files/" + long_name + "@b"}}, 20) ==
        "SOURCE\n"
        "files/nnn~nnnnnnnn@a\n"
        "files/nnn~nnnnnnnn@b\n");
}

TEST_CASE("table: an empty column takes no room from the others") {
  const std::vector<Column> columns = {
      {.title = "ID"}, {.title = "STATE", .drop_rank = 1}, {.title = "SIZE", .drop_rank = 2}};
  const Rows rows = {{"12345678", "", "1.00 GiB"}};
  CHECK(FormatTable(columns, rows, 20) ==
        "ID        SIZE\n"
        "12345678  1.00 GiB\n");
  CHECK_THAT(FormatTable(columns, rows, 30), Contains("STATE"));
  CHECK_THAT(FormatTable(columns, rows, 0), Contains("STATE"));
}

TEST_CASE("table: a key is shortened to make room for a column that matters") {
  const std::vector<Column> columns = {{.title = "SOURCE", .is_flexible = true},
                                       {.title = "STATE", .drop_rank = 1}};
  CHECK(FormatTable(columns, {{std::string(20, 'a') + std::string(20, 'b'), "partly done"}}, 40) ==
        "SOURCE                       STATE\n"
        "aaaaaaaaaaaaa~bbbbbbbbbbbbb  partly done\n");
}

TEST_CASE("table: a state that needs attention is not dropped") {
  const std::vector<Column> columns = {{"ID"},
                                       {.title = "TIME", .drop_rank = 1},
                                       {.title = "SOURCE", .is_flexible = true},
                                       {.title = "STATE", .is_flexible = true, .drop_rank = 2}};
  const std::string name(46, 'n');
  Rows rows = {{"12345678", "2026-01-02T03:04:05Z", name, StateCell("complete")}};
  CHECK_THAT(FormatTable(columns, rows, 80), Contains("columns not shown: STATE"));
  rows.push_back({"12345679", "2026-01-02T03:04:05Z", name, StateCell("partial")});
  const std::string table = FormatTable(columns, rows, 80);
  CHECK_THAT(table, Contains("  partial\n") && !Contains("not shown"));
  CHECK(Widest(table) <= 80);
}

TEST_CASE("table: wide characters are shortened by their columns") {
  std::string name;
  for (int i = 0; i < 30; ++i) name += "\u4e2d";
  const std::string table =
      FormatTable({{.title = "SOURCE", .is_flexible = true}}, {{"a" + name + "b"}}, 21);
  CHECK(Widest(table) <= 21);
  CHECK_THAT(table, Contains("~") && Contains("a\u4e2d") &&
                        Contains("\u4e2d"
                                 "b\n"));
}

TEST_CASE("table: states are coloured only on a coloured screen, and widths stay correct") {
  const std::vector<Column> columns = {{"SOURCE"}, {"STATE"}, {.title = "N", .is_right = true}};
  const Rows rows = {{"a", StateCell("done"), "1"},
                     {"b", StateCell("partly done"), "22"},
                     {"c", StateCell("refused"), "3"},
                     {"d", StateCell("saving"), "4"}};
  CHECK(FormatTable(columns, rows, Screen(80, false)) ==
        "SOURCE  STATE         N\n"
        "a       done          1\n"
        "b       partly done  22\n"
        "c       refused       3\n"
        "d       saving        4\n");
  CHECK(FormatTable(columns, rows, Screen(80, true)) ==
        "SOURCE  STATE         N\n"
        "a       \x1b[32mdone\x1b[0m          1\n"
        "b       \x1b[33mpartly done\x1b[0m  22\n"
        "c       \x1b[31mrefused\x1b[0m       3\n"
        "d       saving        4\n");
}

TEST_CASE("table: the worst of several states decides the colour") {
  CHECK(StateCell("done").colour == StateColour::kGreen);
  CHECK(StateCell("healthy").colour == StateColour::kGreen);
  CHECK(StateCell("away").colour == StateColour::kYellow);
  CHECK(StateCell("partial, safety").colour == StateColour::kYellow);
  CHECK(StateCell("safety, invalid").colour == StateColour::kYellow);
  CHECK(StateCell("done, lost").colour == StateColour::kRed);
  CHECK(StateCell("not healthy").colour == StateColour::kRed);
  CHECK(StateCell("safety").colour == StateColour::kNone);
  CHECK(StateCell("").colour == StateColour::kNone);
}

TEST_CASE("table: a name that looks like a state has no colour") {
  CHECK(FormatTable({{"SOURCE"}}, {{"failed"}}, Screen(80, true)) == "SOURCE\nfailed\n");
}

}  // namespace
}  // namespace holdfast::cli
