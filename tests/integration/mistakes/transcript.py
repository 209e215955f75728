"""Makes mistakes in a terminal of 80x24 and records the programs' answers.

Everything runs in separate namespaces, so that paths, host names and the network are the same everywhere: /srv is
an empty file system in memory, the only network is loopback, and only localhost and web-1 can be resolved.
"""

import contextlib
import ctypes
import fcntl
import os
import pwd
import re
import shlex
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import run, service_program  # noqa: E402
from lib.environment import set_known_environment  # noqa: E402
from lib.places import BUILD, SERVICES  # noqa: E402
from lib.terminal import run_in_terminal  # noqa: E402

SRV = Path("/srv")
_INSIDE = "--inside"
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_NAMESPACES = ["unshare", "--mount", "--net", "--uts", "--propagation", "private"]

# Text that differs between runs or releases of HAProxy, and what is compared instead.
_MASKS = [
    (r"haproxy refuses the configuration: .*? hint:", "haproxy refuses the configuration: WORDS hint:"),
    (r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "ULID"),
    (r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?Z?", "TIME"),
    (r"\b(?=[0-9a-f]*[0-9])([0-9a-f]{64}|[0-9a-f]{16}|[0-9a-f]{8})\b", "ID"),
    (r"\b(pid|process) [0-9]+", r"\1 PID"),
    (r"127\.0\.0\.1:[0-9]+", "127.0.0.1:PORT"),
    (r"(contorller|lokalhost):[0-9]+", r"\1:PORT"),
    (r"tried [0-9]+ times", "tried N times"),
    (r"kernel \S+", "kernel VERSION"),
    (r"\b[0-9]+(\.[0-9]+)? ?(ms|s|m)\b( [0-9]+s\b)?", "DURATION"),
    (r"\b[0-9]+(\.[0-9]+)? (B|KiB|MiB|GiB)(/s)?(?![a-z])", "SIZE"),
]


@dataclass
class Mistake:
    """A mistake, and what the terminal showed. `object`: must be in the first message. `advice`: must be in the output;
    it introduces the next step."""

    number: int
    title: str
    command: str
    user: str
    lines: list[str]
    code: int
    expected_code: int
    object: str
    advice: str
    left: list[str]  # paths that exist afterwards but must not

    @property
    def text(self) -> str:
        prompt = f"{self.user}$ " if self.user else "$ "
        head = f"{self.number}. {self.title}"
        return "\n".join([head, "", prompt + self.command, *self.lines, f"exit {self.code}", ""])


def comparable(transcript: str) -> list[str]:
    """Each mistake as one line with masked values: a longer process id changes where lines wrap."""
    mistakes = []
    for one in re.split(r"\n(?=[0-9]+\. )", transcript):
        words = " ".join(one.split())
        for pattern, mask in _MASKS:
            words = re.sub(pattern, mask, words)
        mistakes.append(words)
    return mistakes


@dataclass
class Transcript:
    """The mistakes so far. `show`: prints each as it happens."""

    show: bool = False
    made: list[Mistake] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)

    def mistake(
        self,
        title: str,
        command: str,
        code: int,
        *,
        object: str = "",
        advice: str = "hint: ",
        typed: Sequence[tuple[str, str]] = (),
        user: str = "",
        absent: Sequence[Path] = (),
        env: dict[str, str] | None = None,
    ) -> Mistake:
        """Types `command` in /srv. `code`: the documented exit code. `object`: default: the last word of the command.
        `absent`: what must not exist afterwards."""
        argv = ["bash", "-c", command]
        if user:
            entry = pwd.getpwnam(user)
            argv = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", *argv]
        tools = (service_program("etcd", "x"), service_program("haproxy", "x"))
        path = ":".join([str(BUILD / "bin"), *(str(Path(one).parent) for one in tools), os.environ["PATH"]])
        shown = run_in_terminal(argv, cwd=SRV, typed=typed, timeout=120, PATH=path, **{**self.env, **(env or {})})
        lines = [line.rstrip() for line in shown.shown]
        while lines and not lines[-1]:
            lines.pop()
        one = Mistake(len(self.made) + 1, title, command, user, lines, shown.code, code,
                      object or shlex.split(command)[-1], advice, [str(path) for path in absent if path.exists()])
        self.made.append(one)
        if self.show:
            print(one.text, flush=True)
        return one

    @property
    def text(self) -> str:
        return "\n".join(one.text for one in self.made)


@contextlib.contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    """Replaces `old` by `new` in `path` until the end of the block."""
    before = path.read_text()
    assert old in before, f"{old!r} is not in {path}"
    path.write_text(before.replace(old, new))
    try:
        yield
    finally:
        path.write_text(before)


@contextlib.contextmanager
def moved_away(path: Path) -> Iterator[None]:
    """Moves `path` away until the end of the block."""
    away = path.with_name(path.name + ".away")
    path.rename(away)
    try:
        yield
    finally:
        away.rename(path)


@contextlib.contextmanager
def mounted(path: Path, size: str = "") -> Iterator[None]:
    """Mounts an empty file system at `path` until the end of the block."""
    run(["mount", "-t", "tmpfs", *(["-o", f"size={size}"] if size else []), "none", str(path)])
    try:
        yield
    finally:
        run(["umount", str(path)])


@contextlib.contextmanager
def covered(path: Path, content: str) -> Iterator[None]:
    """Covers an existing file with `content` until the end of the block. The file itself does not change."""
    cover = SRV / f".{path.name}"
    cover.write_text(content)
    run(["mount", "--bind", str(cover), str(path)])
    try:
        yield
    finally:
        run(["umount", str(path)])
        cover.unlink()


def namespaces_are_possible() -> bool:
    return os.geteuid() == 0 and subprocess.run([*_NAMESPACES, "true"], stderr=subprocess.DEVNULL).returncode == 0


def enter_namespaces() -> None:
    """Restarts the calling program in new namespaces, and returns only there."""
    if _INSIDE not in sys.argv:
        os.environ |= {"HOLDFAST_BUILD": str(BUILD), "HOLDFAST_SERVICES": str(SERVICES)}
        os.execvp(_NAMESPACES[0], [*_NAMESPACES, sys.executable, *sys.argv, _INSIDE])
    sys.argv.remove(_INSIDE)
    set_known_environment()
    socket.sethostname("web-1")
    with socket.socket() as any_socket:
        name = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, name))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", str(SRV)])
    for name, text in (("hosts", "127.0.0.1 localhost web-1\n"), ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")):
        (SRV / name).write_text(text)
        run(["mount", "--bind", str(SRV / name), f"/etc/{name}"])
        (SRV / name).unlink()
    for path in ("/etc/holdfast", "/run/holdfast"):  # hides a Holdfast that is installed on this host
        if Path(path).is_dir():
            run(["mount", "-t", "tmpfs", "none", path])
