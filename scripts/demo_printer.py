"""The demo's output: chapters, commands with their output, checks; and commands on a pseudo-terminal."""

import ctypes
import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import sys
import termios
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_LIVE = sys.stdout.isatty()
_COLOUR = _LIVE and "NO_COLOR" not in os.environ
BOLD, DIM, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if _COLOUR else ("",) * 5
)
_INDENT = "     "
_PROSE = 96
_WIDTH = 120  # if the demo's own output is not a terminal
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """A step of the demo failed."""


@dataclass
class Ended:
    code: int
    text: str


def columns() -> int:
    """Width of a command's pseudo-terminal; its output is shown indented."""
    return max(80, shutil.get_terminal_size((_WIDTH + len(_INDENT), 40)).columns - len(_INDENT))


def cut(line: str) -> str:
    """The line, truncated to the width."""
    return line if len(line) <= columns() else line[: columns() - 1] + "…"


class Screen:
    """The lines of a terminal, as far as our programs use one: text, newlines, `ESC [ n A` and `ESC [ J`."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = 0
        self.touched = 0  # the first row that changed since this was last set
        self._rest = ""

    def feed(self, text: str) -> None:
        for token in re.findall(r"\033\[\d*[A-Za-z]|\033\[?\d*$|[\r\n]|[^\033\r\n]+|\033", self._take(text)):
            if token == "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            elif up := re.fullmatch(r"\033\[(\d+)A", token):
                self.row = max(0, self.row - int(up[1]))
            elif token == "\033[J":
                del self.lines[self.row :]
                self.lines.append("")
            elif token != "\r" and not token.startswith("\033"):
                self.lines[self.row] += token
            self.touched = min(self.touched, self.row)

    def _take(self, text: str) -> str:
        """The text up to an incomplete control sequence, which stays until its rest arrives."""
        text = self._rest + text
        cut = re.search(r"\033(\[\d*)?$", text)
        self._rest = text[cut.start() :] if cut else ""
        return text[: cut.start()] if cut else text

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass
class Printer:
    """Prints the demo, and collects its checks for the summary. `names`: abbreviations, e.g. of a directory."""

    names: dict[str, str] = field(default_factory=dict)
    checks: dict[str, list[str]] = field(default_factory=dict)  # by the part they belong to
    chapters: int = 0

    def part(self, title: str) -> None:
        self.checks[title] = []
        print(f"\n{BOLD}{title}\n{'─' * len(title)}{PLAIN}", flush=True)

    def chapter(self, title: str) -> None:
        self.chapters += 1
        print(f"\n{BOLD}{self.chapters}. {title}{PLAIN}", flush=True)

    def say(self, text: str) -> None:
        print(textwrap.fill(text, _PROSE, initial_indent="   ", subsequent_indent="   "), flush=True)

    def command(self, where: str, command: str) -> None:
        print(f"   {BOLD}{where}$ {self.shortened(command)}{PLAIN}", flush=True)

    def lines(self, text: str) -> None:
        for line in self.shortened(text).rstrip().splitlines():
            print(f"{_INDENT}{DIM}{cut(line)}{PLAIN}" if line else "")
        sys.stdout.flush()

    def output(self, where: str, command: str, text: str) -> None:
        self.command(where, command)
        self.lines(text)

    def check(self, holds: bool, text: str) -> None:
        print(f"   {GREEN}✓{PLAIN} {text}" if holds else f"   {RED}✗{PLAIN} {text}", flush=True)
        if not holds:
            raise Failed(f"check failed: {text}")
        self.checks[list(self.checks)[-1]].append(text)

    def shortened(self, text: str) -> str:
        for name, short in self.names.items():
            text = text.replace(name, short)
        return text

    def at_terminal(
        self,
        argv: list[str],
        *,
        directory: Path,
        env: dict[str, str],
        answers: dict[str, str] | None = None,
        worth_showing: Callable[[str], float] | None = None,
        seconds: int = 300,
    ) -> Ended:
        """Runs a command on a pseudo-terminal and shows its screen: live if the demo's own output is a
        terminal. Otherwise it shows the intermediate screen with the highest `worth_showing`, if any, and then
        the last screen. `answers`: input for a line that ends with the key, e.g. {"[yes/no] ": "yes"}."""
        screen, drawn = Screen(), 0
        best, picture = 0.0, ""
        for chunk, write in _speak(argv, directory, env, seconds):
            if isinstance(chunk, int):
                if not _LIVE:
                    if picture:
                        self.lines(picture + "\n...\n")
                    self.lines(screen.text)
                return Ended(chunk, screen.text)
            screen.feed(chunk)
            if _LIVE:
                drawn = self._redraw(screen, drawn)
            if worth_showing is not None and chunk.endswith("\n") and (worth := worth_showing(screen.text)) > best:
                best, picture = worth, screen.text
            for ending, answer in (answers or {}).items():
                if screen.lines[screen.row].endswith(ending):
                    write(answer + "\n")
        raise Failed(f"{argv[0]} closed its terminal but did not exit")

    def _redraw(self, screen: Screen, drawn: int) -> int:
        """Redraws the changed lines; `drawn` is the former number of lines. Returns the new number."""
        top = min(screen.touched, drawn)
        up = f"\033[{drawn - top}A" if drawn > top else ""
        rows = screen.lines[top : screen.row + 1]
        sys.stdout.write(f"{up}\r\033[J")
        for number, row in enumerate(rows):
            end = "\n" if number + 1 < len(rows) else ""
            sys.stdout.write(f"{_INDENT}{DIM}{cut(self.shortened(row))}{PLAIN}{end}" if row else end)
        sys.stdout.flush()
        screen.touched = screen.row
        return screen.row


def _speak(argv: list[str], directory: Path, env: dict[str, str], seconds: int):
    """Yields (text, write) for output of the command, and at the end (exit status, write)."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns(), 0, 0))
            os.chdir(directory)
            # Screen understands this terminal, whatever the demo itself runs in.
            os.execvpe(argv[0], argv, {**os.environ, "TERM": "xterm", **env})
        finally:
            os._exit(127)
    ended = False
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(seconds)
    try:

        def write(text: str) -> None:
            os.write(terminal, text.encode())

        while True:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the other side is closed
                piece = b""
            if not piece:
                break
            yield piece.decode(errors="replace"), write
        _, status = os.waitpid(pid, 0)
        ended = True
        yield os.waitstatus_to_exitcode(status), write
    finally:
        signal.alarm(0)
        if not ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(terminal)


def _too_long(_number, _frame) -> None:
    raise Failed("a command did not end in its time")
