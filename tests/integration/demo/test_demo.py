"""What scripts/demo runs once everything is built: the README's first command."""

import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import main, run
from lib.places import BUILD, ROOT, SERVICES


class Demo(unittest.TestCase):
    def test_every_check_holds(self) -> None:
        # As scripts/demo does: restores are written by root.
        as_root = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]
        # The demo starts its commands on pseudo-terminals, so it needs no terminal itself.
        places = {"HOLDFAST_BUILD": str(BUILD), "HOLDFAST_SERVICES": str(SERVICES), "TERM": "dumb"}
        program = str(ROOT / "scripts" / "demo_main.py")
        done = run([*as_root, sys.executable, program], env=places, timeout=280)
        self.assertNotIn("✗", done.stdout)
        summary = done.stdout.split("\nChecked in ", 1)[1]
        self.assertGreaterEqual(summary.count("✓"), 20)


if __name__ == "__main__":
    main()
