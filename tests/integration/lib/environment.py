"""The environment of the tests, which is the same for every user and on every host."""

import atexit
import os
import shutil
import tempfile

# All other variables, such as proxies, credentials and settings of services, are removed, because they would change
# what the tested programs do.
_KEPT = {"PATH", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUTF8"}


def set_known_environment() -> None:
    """Removes all variables except _KEPT and sanitizer options, and sets HOME, LC_ALL, TZ and the umask. HOME is an
    empty directory, which is removed when the program exits."""
    for name in os.environ.keys() - _KEPT:
        if not name.endswith("SAN_OPTIONS"):
            del os.environ[name]
    home = tempfile.mkdtemp(prefix="holdfast-test-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ |= {"HOME": home, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    os.umask(0o022)
