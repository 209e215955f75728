"""Running a program in a terminal of a given size, as an operator sees it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from dataclasses import dataclass

_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass
class Screen:
    code: int
    raw: str

    @property
    def lines(self) -> list[str]:
        """Every line that was written, live ones included, without colours and cursor movements."""
        return [_CONTROL.sub("", line) for line in self.raw.replace("\r\n", "\n").split("\n")]

    @property
    def rest(self) -> list[str]:
        """What stands there in the end: live lines are gone."""
        shown: list[str] = []
        for line in self.raw.replace("\r\n", "\n").split("\n"):
            while up := re.match(r"\x1b\[([0-9]+)A\x1b\[J", line):
                del shown[-int(up[1]) :]
                line = line[up.end() :]
            shown.append(_CONTROL.sub("", line))
        return [line for line in shown if line]


def run_in_terminal(
    argv: list[str], *, columns: int = 80, lines: int = 24, timeout: float = 300, **env: str
) -> Screen:
    """Runs `argv` with its output in a terminal; `env` is added to the environment."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "TZ": "UTC", **env}
    environment.update({name: env.get(name, "") for name in ("NO_COLOR",)})
    child = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + timeout
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
            if time.monotonic() > deadline:
                raise AssertionError(f"{argv} did not end within {timeout} s: {seen[-500:]!r}")
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
        if child.poll() is None and time.monotonic() > deadline:
            child.kill()
    return Screen(child.wait(60), seen.decode())
