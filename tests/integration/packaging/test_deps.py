"""scripts/deps on an unsupported distribution lists what to install by hand, and installs nothing."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import main  # noqa: E402
from lib.places import ROOT  # noqa: E402

FEDORA = 'ID=fedora\nVERSION_ID=41\nPRETTY_NAME="Fedora Linux 41"\n'
TRIXIE = 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'


def deps(os_release: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Runs scripts/deps with this text in /etc/os-release, in a mount namespace."""
    with tempfile.NamedTemporaryFile("w", suffix=".os-release") as file:
        file.write(os_release)
        file.flush()
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        return subprocess.run(
            [
                *("unshare", "--mount", *user, "sh", "-c"),
                'mount --bind "$1" "$(readlink -f /etc/os-release)" && shift && exec "$@"',
                *("sh", file.name, str(ROOT / "scripts" / "deps"), *arguments),
            ],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


class Deps(unittest.TestCase):
    def test_an_unsupported_distribution_gets_the_list_of_packages(self) -> None:
        done = deps(FEDORA)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("error: Fedora Linux 41 is not supported", done.stderr)
        self.assertIn("hint: install by hand", done.stderr)
        for package in ("g++", "libssl-dev", "catch2", "acl", "maven", "HOLDFAST_DEPS=manual"):
            self.assertIn(package, done.stderr)

    def test_packages_installed_by_hand_are_trusted(self) -> None:
        done = deps(FEDORA, HOLDFAST_DEPS="manual")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_wrong_value_of_the_variable_is_refused(self) -> None:
        done = deps(FEDORA, HOLDFAST_DEPS="no")
        self.assertEqual(done.returncode, 1)
        self.assertIn('HOLDFAST_DEPS is "no"', done.stderr)

    def test_clang_16_missing_in_debian_13_is_reported(self) -> None:
        for option in ("--tidy", "--fuzz"):
            done = deps(TRIXIE, option)
            self.assertEqual(done.returncode, 1)
            self.assertIn("Debian 13 has no clang 16", done.stderr)


if __name__ == "__main__":
    main()
