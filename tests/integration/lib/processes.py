"""Starts, awaits and ends processes so that none outlives the test."""

import atexit
import ctypes
import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_running: list["Process"] = []
_port_locks: list[int] = []


def wait_until(what: str, condition: Callable[[], object], seconds: float = 30.0):
    """Polls `condition` until it returns a true value, and returns that value. An exception counts as "not yet". After
    `seconds` the test fails with `what` and the last exception."""
    deadline = time.monotonic() + seconds
    last: Exception | None = None
    while True:
        began = time.monotonic()
        try:
            value = condition()
            if value:
                return value
            last = None
        except Exception as error:  # noqa: BLE001: any error means that it is not ready
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for: {what}" + (f" ({last})" if last else ""))
        # Poll slow conditions less often: starting a program takes CPU time from what the test waits for.
        time.sleep(min(max(0.05, 3 * (time.monotonic() - began)), 1.0))


def free_port() -> int:
    """A free port of loopback below the ephemeral range, reserved until this program ends. A lock file per port keeps
    concurrent tests apart."""
    directory = Path(tempfile.gettempdir()) / f"holdfast-test-ports.{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    for _ in range(1000):
        port = random.randrange(10000, 32000)
        lock = os.open(directory / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
            continue
        _port_locks.append(lock)
        return port
    raise AssertionError("no free port found")


def run(
    argv: list[str],
    *,
    expect: int | None = 0,
    timeout: float = 120,
    env: dict[str, str] | None = None,
    text: bool = True,
    **options,
) -> subprocess.CompletedProcess:
    """Runs a command and waits for it. Fails the test with its output on an unexpected exit status."""
    done = subprocess.run(
        argv,
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        timeout=timeout,
        env={**os.environ, **(env or {})},
        text=text,
        errors="surrogateescape" if text else None,
        check=False,
        **options,
    )
    if expect is not None and done.returncode != expect:
        raise AssertionError(
            f"{argv} ended with {done.returncode}, not {expect}\n"
            f"stdout: {done.stdout}\nstderr: {done.stderr}"
        )
    return done


def die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A long-running program in its own process group; its output goes to a file.

    It ends with stop() or kill(), and when this program exits or is killed. Start it from the main thread: the kernel
    kills it when the thread that started it ends."""

    def __init__(self, argv: list[str], log: Path, *, env: dict[str, str] | None = None, **options):
        self.argv = argv
        self.log = log
        with open(log, "ab") as output:
            self._child = subprocess.Popen(
                argv,
                stdin=options.pop("stdin", subprocess.DEVNULL),
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
                preexec_fn=die_with_parent,
                **options,
            )
        self.pid = self._child.pid
        _running.append(self)

    @staticmethod
    def running() -> list["Process"]:
        """All processes that were started and neither stopped nor killed."""
        return list(_running)

    def is_running(self) -> bool:
        return self._child.poll() is None

    def require_running(self) -> None:
        if not self.is_running():
            raise AssertionError(
                f"{self.argv[0]} ended with {self._child.returncode}; it said:\n{self.tail()}"
            )

    def wait_until_it_serves(self, what: str, serves: Callable[[], object], seconds: float = 30.0) -> None:
        """Waits until `serves` is true. Fails with the last output if the program exits or the time is over."""

        def is_so():
            return not self.is_running() or serves()

        try:
            wait_until(f"{what} to serve", is_so, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None
        self.require_running()

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def wait(self, seconds: float = 30.0) -> int:
        return self._child.wait(seconds)

    def stop(self, seconds: float = 10.0) -> int:
        """Sends SIGTERM, then SIGKILL if the program does not end. Returns its exit status."""
        if self.is_running():
            self._child.terminate()
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        return self.kill()

    def kill(self) -> int:
        """Kills the whole process group at once, as a power cut would."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        status = self._child.wait()
        if self in _running:
            _running.remove(self)
        return status


@atexit.register
def _kill_all() -> None:
    for process in list(_running):
        process.kill()


def _leave(number: int, _frame) -> None:
    sys.exit(128 + number)


# An interrupted test, or one that ctest times out, still runs its atexit handlers.
signal.signal(signal.SIGTERM, _leave)
