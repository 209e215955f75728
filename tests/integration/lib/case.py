"""The frame of a test: a temporary directory, and skipping where a service is absent."""

import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

from . import places


class Case(unittest.TestCase):
    """A test with a directory of its own, `self.directory`, removed afterwards. Set
    HOLDFAST_KEEP=1 to keep it and look at it."""

    maxDiff = None

    def setUp(self) -> None:
        self.directory = make_directory(self)

    @classmethod
    def shared_directory(cls) -> Path:
        """One for the whole class, for what setUpClass starts."""
        path = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
        cls.addClassCleanup(_remove, path)
        return path


def make_directory(case: unittest.TestCase) -> Path:
    path = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    case.addCleanup(_remove, path)
    return path


def _remove(path: Path) -> None:
    if places.KEEP:
        print(f"kept {path}", file=sys.stderr)
        return

    def make_writable(function, name, _error):
        os.chmod(os.path.dirname(name), 0o700)
        function(name)

    shutil.rmtree(os.fsencode(path), onerror=make_writable)


def main(*services: str) -> None:
    """Runs the tests of the calling file, or ends with 77 where one of the services is absent."""
    missing = [service for service in services if not places.have_service(service)]
    if missing:
        print(f"skipped: {', '.join(missing)} not in {places.SERVICES} (scripts/services fetches it)")
        sys.exit(places.SKIPPED)
    if not os.access(places.agent_program(), os.X_OK):
        sys.exit(f"{places.agent_program()} is not there; build it, or name a build by HOLDFAST_BUILD")
    unittest.main(module="__main__", verbosity=2)
