"""Running a program in a terminal of a given size, as an operator sees it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .processes import die_with_parent

_CONTROL = re.compile(r"\r|\x1b\[[0-9;]*[A-Za-z]")


@dataclass
class Screen:
    code: int
    raw: str

    @property
    def lines(self) -> list[str]:
        """Every line that was written, including live ones, without colours and cursor movements."""
        return [_CONTROL.sub("", line) for line in self.raw.replace("\r\n", "\n").split("\n")]

    @property
    def rest(self) -> list[str]:
        """The final lines on the screen without empty ones; live lines are gone."""
        return [line for line in self.shown if line]

    @property
    def shown(self) -> list[str]:
        """The final lines, including empty ones."""
        shown: list[str] = []
        for line in self.raw.replace("\r\n", "\n").split("\n"):
            while up := re.search(r"\r?\x1b\[([0-9]+)A\x1b\[J", line):
                del shown[-int(up[1]) :]
                line = line[up.end() :]
            shown.append(_CONTROL.sub("", line))
        return shown


def run_in_terminal(
    argv: list[str],
    *,
    columns: int = 80,
    lines: int = 24,
    timeout: float = 300,
    typed: Sequence[tuple[str, str]] = (),
    cwd: Path | None = None,
    **env: str,
) -> Screen:
    """Runs `argv` in a terminal; `env` is added to the environment. `typed`: pairs of a text to wait for and the input
    to type then, in this order, e.g. ("[yes/no] ", "no\\n"). "\\x03" is Ctrl-C."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "TZ": "UTC", **env}
    environment.update({name: env.get(name, "") for name in ("NO_COLOR",)})

    def enter_terminal() -> None:
        die_with_parent()
        os.login_tty(theirs)

    child = subprocess.Popen(argv, env=environment, cwd=cwd, preexec_fn=enter_terminal)
    os.close(theirs)
    seen, answered = b"", 0
    left = [(awaited.encode(), answer.encode()) for awaited, answer in typed]
    deadline = time.monotonic() + timeout
    try:
        while chunk := _read(ours, deadline):
            seen += chunk
            while left and (found := seen.find(left[0][0], answered)) >= 0:
                awaited, answer = left.pop(0)
                answered = found + len(awaited)
                os.write(ours, answer)
    except TimeoutError:
        child.kill()
        raise AssertionError(f"{argv} did not end within {timeout} s: {seen[-500:]!r}") from None
    finally:
        os.close(ours)
        code = child.wait(60)
    if left:
        raise AssertionError(f"{argv} ended and never wrote {left[0][0]!r}: {seen[-500:]!r}")
    return Screen(code, seen.decode())


def _read(terminal: int, deadline: float) -> bytes:
    """Output of the terminal; empty once all processes have closed it."""
    if not select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise TimeoutError
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""
