"""The result of `cmake --install`: programs that run, units that systemd accepts unchanged, and each unit's exposure.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, agent_program, main

BUILD = Path(agent_program()).parents[1]
UNITS = {  # the exposure limit for systemd-analyze, in tenths
    "holdfast-agent.service": 20,
    "holdfast-controller.service": 15,
    "holdfast-restore.service": 28,
    "holdfast-restore.path": None,
}


class Units(Case):
    def setUp(self) -> None:
        super().setUp()
        self.prefix = self.directory / "prefix"
        done = self.call("cmake", "--install", str(BUILD), "--prefix", str(self.prefix))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.units = self.prefix / "lib/systemd/system"

    def call(self, *command: str) -> subprocess.CompletedProcess:
        environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{self.prefix}/lib/systemd/system:", "LC_ALL": "C"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)

    def test_the_programs_run(self) -> None:
        for program in ("holdfast", "holdfast-agent", "holdfast-controller"):
            done = self.call(str(self.prefix / "bin" / program), "--version")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"\d+\.\d+\.\d+")

    def test_systemd_accepts_each_unit_without_warnings(self) -> None:
        self.assertEqual({path.name for path in self.units.iterdir()}, set(UNITS))
        for unit in UNITS:
            done = self.call("systemd-analyze", "verify", "--recursive-errors=no", "--man=no", unit)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""), unit)

    def test_exposure_of_each_unit_is_within_its_limit(self) -> None:
        for unit, limit in UNITS.items():
            if limit is None:
                continue
            done = self.call("systemd-analyze", "security", "--offline=true", f"--threshold={limit}", "--no-pager",
                             str(self.units / unit))
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_files_that_the_units_name_exist(self) -> None:
        for unit in UNITS:
            text = (self.units / unit).read_text()
            self.assertNotIn("@", re.sub(r"SystemCallFilter=.*", "", text))
            for path in re.findall(r"^(?:ExecStart|ExecStartPre|Documentation)=(?:file:|\+)?(/\S+)", text, re.MULTILINE):
                self.assertTrue(Path(path).is_file(), f"{unit}: {path}")

    def test_the_users_can_be_created(self) -> None:
        done = self.call("systemd-sysusers", "--dry-run", str(self.prefix / "lib/sysusers.d/holdfast.conf"))
        self.assertEqual(done.returncode, 0, done.stderr)
        for user in ("holdfast", "holdfast-controller"):
            self.assertIn(f"user '{user}'", done.stdout + done.stderr)
        self.assertIn("group 'holdfast-admin'", done.stdout + done.stderr)


main()
