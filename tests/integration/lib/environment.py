"""The environment of the tests, which is the same for every user and on every host."""

import atexit
import os
import shutil
import tempfile

# The user's other variables, such as proxies, credentials and settings of services, would change what programs do.
_KEPT = {"PATH", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUTF8"}


def set_known_environment() -> None:
    """Removes variables, and sets those that programs read. HOME is an empty directory until the program exits."""
    for name in os.environ.keys() - _KEPT:
        if not name.endswith("SAN_OPTIONS"):
            del os.environ[name]
    home = tempfile.mkdtemp(prefix="holdfast-test-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ |= {"HOME": home, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    os.umask(0o022)
