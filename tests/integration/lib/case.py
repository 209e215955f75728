"""Base class of the tests: temporary directories, and skipping when a service is missing."""

import os
import re
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

from . import places
from .environment import set_known_environment

_MEMORY = Path("/dev/shm")


class Case(unittest.TestCase):
    """A test with its own directory, `self.directory`, which is removed afterwards. HOLDFAST_KEEP=1 keeps it."""

    maxDiff = None

    def setUp(self) -> None:
        self.directory = make_directory(self)

    def secret(self, name: str, text: str) -> Path:
        """Creates a file that only its owner may read, as required for password files."""
        path = self.directory / name
        path.touch(0o600)
        path.write_text(text)
        return path

    @classmethod
    def shared_directory(cls) -> Path:
        """A directory for the whole class, used by setUpClass."""
        path = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
        cls.addClassCleanup(_remove, path)
        return path


def make_directory(case: unittest.TestCase, memory: int = 0) -> Path:
    """Creates a directory for the test. With `memory`, it is on tmpfs if twice that many bytes are free: for large
    short-lived files where the file system does not matter. Writing and removing gigabytes on disk takes minutes."""
    in_memory = memory > 0 and 2 * memory < _free_memory()
    path = Path(tempfile.mkdtemp(prefix="holdfast-test-", dir=_MEMORY if in_memory else None))
    case.addCleanup(_remove, path)
    return path


def _free_memory() -> int:
    """Bytes that files on tmpfs may take; 0 if there is no tmpfs."""
    if not _MEMORY.is_mount():
        return 0
    available = re.search(r"^MemAvailable: *([0-9]+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return min(int(available[1]) * 1024 if available else 0, shutil.disk_usage(_MEMORY).free)


def _remove(path: Path) -> None:
    if places.KEEP:
        print(f"kept {path}", file=sys.stderr)
        return

    top = os.fsencode(path)

    def make_writable(function, name, error):
        if os.fsencode(name) == top:  # rmtree may have decoded the name
            raise error[1]  # do not chmod the parent directory: it may be /tmp
        os.chmod(os.path.dirname(name), 0o700)
        function(name)

    shutil.rmtree(top, onerror=make_writable)


def main(*services: str) -> None:
    """Runs the tests of the calling file. Exits with 77 if one of the services is missing."""
    missing = [service for service in services if not places.have_service(service)]
    if missing:
        print(f"skipped: {', '.join(missing)} not in {places.SERVICES} (scripts/services fetches it)")
        sys.exit(places.SKIPPED)
    if not os.access(places.agent_program(), os.X_OK):
        sys.exit(f"{places.agent_program()} is not there; build it, or name a build by HOLDFAST_BUILD")
    set_known_environment()
    unittest.main(module="__main__", verbosity=2)
