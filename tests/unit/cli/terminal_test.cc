#include "common/cli/terminal.h"

#include <fcntl.h>

#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/pseudo_terminal.h"
#include "tests/support/results.h"

namespace holdfast::cli {
namespace {
using Catch::Contains;
using testing::PseudoTerminal;
using testing::Unwrap;

TEST_CASE("terminal: wide characters take two columns and combining ones none") {
  CHECK(Columns("") == 0);
  CHECK(Columns("abc") == 3);
  CHECK(Columns("\u00e4") == 1);
  CHECK(Columns("a\u0308") == 1);
  CHECK(Columns("\u4e2d\u6587") == 4);
  CHECK(Columns("\uff21") == 2);              // full width A
  CHECK(Columns("\uff71") == 1);              // half width katakana
  CHECK(Columns("\U0001f600") == 2);          // emoji
  CHECK(Columns("\ud55c") == 2);              // one syllable of Hangul
  CHECK(Columns("\u1112\u1161\u11ab") == 2);  // the same as three jamo
  CHECK(Columns("\u0e01\u0e49") == 1);        // Thai with a tone mark
}

TEST_CASE("terminal: text is cut between characters") {
  CHECK(FrontColumns("abc", 2) == "ab");
  CHECK(FrontColumns("abc", 9) == "abc");
  CHECK(FrontColumns("\u4e2d\u6587", 3) == "\u4e2d");
  CHECK(FrontColumns("e\u0301x", 1) == "e\u0301");
  CHECK(BackColumns("abc", 2) == "bc");
  CHECK(BackColumns("abc", 9) == "abc");
  CHECK(BackColumns("\u4e2d\u6587", 3) == "\u6587");
  CHECK(BackColumns("xe\u0301", 1) == "e\u0301");
  CHECK(BackColumns("e\u0301x", 1) == "x");
  CHECK(BackColumns("abc", 0).empty());
}

TEST_CASE("terminal: a dumb terminal has no cursor or colour, and NO_COLOR disables colour") {
  const auto traits = [](const std::map<std::string, std::string, std::less<>>& environment) {
    const TerminalTraits found = TerminalTraitsOf(environment);
    return std::pair(found.has_cursor, found.has_colour);
  };
  CHECK(traits({{"TERM", "xterm"}}) == std::pair(true, true));
  CHECK(traits({{"TERM", "xterm"}, {"NO_COLOR", "1"}}) == std::pair(true, false));
  CHECK(traits({{"TERM", "xterm"}, {"NO_COLOR", ""}}) == std::pair(true, true));
  CHECK(traits({{"TERM", "dumb"}}) == std::pair(false, false));
  CHECK(traits({}) == std::pair(false, false));
}

TEST_CASE("terminal: a file has no width, no colour and no live lines") {
  const TempDir directory = Unwrap(TempDir::Create("terminal"));
  const Fd file = Unwrap(OpenFile(directory.path() + "/out", O_RDWR | O_CREAT, 0600));
  Terminal terminal(file.get(), file.get());
  CHECK(terminal.screen().width == 0);
  CHECK_FALSE(terminal.screen().has_colour);
  CHECK_FALSE(terminal.errors_are_live());
  CHECK(terminal.status_lines_max() == 0);
  terminal.ShowStatus({"live"});
  terminal.WriteErrorLine("line");
  CHECK(AsText(Unwrap(ReadWholeFile(directory.path() + "/out"))) == "line\n");
}

TEST_CASE("terminal: the test terminal returns everything written, however it is split") {
  PseudoTerminal pty;
  Terminal terminal(pty.fd(), pty.fd());
  // One read of a pseudo terminal returns at most 4 KiB, and less while the kernel is still moving
  // the bytes.
  const std::string text(5'000, 'x');
  REQUIRE_OK(terminal.WriteOut(text));
  CHECK(pty.Shown() == text);
  CHECK(pty.Shown().empty());
}

TEST_CASE("terminal: a resize takes effect at once") {
  PseudoTerminal pty(80, 24);
  Terminal terminal(pty.fd(), pty.fd());
  CHECK(terminal.screen().width == 80);
  CHECK(terminal.screen().has_colour);
  CHECK(terminal.status_width() == 79);
  CHECK(terminal.status_lines_max() == 23);
  pty.Resize(40, 10);
  CHECK(terminal.screen().width == 40);
  CHECK(terminal.status_width() == 39);
  CHECK(terminal.status_lines_max() == 9);
}

TEST_CASE("terminal: the given traits are respected") {
  PseudoTerminal pty;
  const Terminal plain(pty.fd(), pty.fd(), {.has_cursor = true, .has_colour = false});
  CHECK(plain.errors_are_live());
  CHECK_FALSE(plain.screen().has_colour);
  const Terminal dumb(pty.fd(), pty.fd(), {.has_cursor = false, .has_colour = false});
  CHECK_FALSE(dumb.errors_are_live());
  CHECK(dumb.screen().width == 80);
}

TEST_CASE("terminal: messages go above the live lines, and results replace them") {
  PseudoTerminal pty;
  Terminal terminal(pty.fd(), pty.fd());
  terminal.ShowStatus({"one", std::string(200, 'x')});
  CHECK(pty.Shown() == "one\r\n" + std::string(79, 'x') + "\r\n");
  terminal.WriteErrorLine("message");
  CHECK(pty.Shown() == "\r\x1b[2A\x1b[Jmessage\r\none\r\n" + std::string(79, 'x') + "\r\n");
  REQUIRE_OK(terminal.WriteOut("result\n"));
  CHECK(pty.Shown() == "\r\x1b[2A\x1b[Jresult\r\n");
}

TEST_CASE("terminal: a long message wraps between words, and only on a terminal") {
  const std::string message = "holdfast-agent: open \"/srv/backup\": no such file or directory";
  PseudoTerminal pty(40, 24);
  Terminal terminal(pty.fd(), pty.fd());
  terminal.WriteErrorLine(message);
  CHECK(pty.Shown() ==
        "holdfast-agent: open \"/srv/backup\": no\r\n"
        "  such file or directory\r\n");
  // A path is never split, so that it can be copied.
  terminal.WriteErrorLine("open " + std::string(50, 'x') + " failed");
  CHECK(pty.Shown() == "open\r\n  " + std::string(50, 'x') + "\r\n  failed\r\n");

  const TempDir directory = Unwrap(TempDir::Create("terminal"));
  const Fd file = Unwrap(OpenFile(directory.path() + "/out", O_RDWR | O_CREAT, 0600));
  Terminal to_file(file.get(), file.get());
  to_file.WriteErrorLine(message);
  CHECK(AsText(Unwrap(ReadWholeFile(directory.path() + "/out"))) == message + "\n");
}

TEST_CASE("terminal: lines are wrapped between words, and no word is cut") {
  CHECK(WrapText("restored snapshot 3fa2 to /srv/a-long-directory: 7 items\n", 24) ==
        "restored snapshot 3fa2\n"
        "  to\n"
        "  /srv/a-long-directory:\n"
        "  7 items\n");
  CHECK(WrapText("  a word-that-is-longer-than-the-screen b", 10) ==
        "  a\n    word-that-is-longer-than-the-screen\n    b");
  CHECK(WrapText("as it is", 0) == "as it is");
  CHECK(WrapText("as it is\n\nas it is", 8) == "as it is\n\nas it is");
  CHECK(WrapText("\x1b[31mred\x1b[0m word", 8) == "\x1b[31mred\x1b[0m word");
}

}  // namespace
}  // namespace holdfast::cli
