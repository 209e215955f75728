"""In damaged copies of the frozen repositories, our check names the same repository files as stock restic, and the
source files that restic cannot restore."""

import json
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes

HERE = Path(__file__).resolve().parent / "golden"
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "integration"))
from expect import describe  # noqa: E402
from lib import Agent, Case, Restic, main, write_config  # noqa: E402

SNAPSHOTS = ("first", "second")


def entries(text: str) -> dict[str, str]:
    """Path -> the rest of its line, in the form of expect.py."""
    return {path: rest for rest, _, path in (line.rpartition(" ") for line in text.splitlines())}


class Frozen(Case):
    def setUp(self) -> None:
        super().setUp()
        self.number = 0

    def copy(self, golden: Path, damage: dict | None) -> None:
        self.number += 1
        self.place = self.directory / str(self.number)
        repository = self.place / "repository"
        shutil.copytree(golden / "repository", repository)
        shutil.copy(golden / "password", self.place / "password")
        (self.place / "password").chmod(0o600)
        if damage is not None:
            file = repository / damage["file"]
            content = bytearray(file.read_bytes())
            if damage["do"] == "remove":
                file.unlink()
            elif damage["do"] == "cut":
                file.write_bytes(content[: damage["at"]])
            else:
                content[damage["at"]] ^= 1
                file.write_bytes(content)
        self.agent = Agent(write_config(self.place, [{"kind": "files", "name": "app", "paths": ["/nowhere"]}]))
        self.restic = self.restic_of("restic")

    def restic_of(self, service: str) -> Restic:
        return Restic(self.place / "repository", self.place / "password", self.place / "cache", service=service,
                      arguments=("--no-cache",))

    def wrong_after(self, golden: Path, about: dict, number: int, *, by_us: bool) -> set[str] | None:
        """Source files that are not restored correctly. None if nothing was restored at all."""
        target = self.place / f"restored-{number}-{by_us}"
        target.mkdir()
        snapshot = about["snapshots"][number]
        if by_us:
            self.agent.run("restore", snapshot, "--to", str(target), expect=None)
            top = target / about["prefix"]
        else:
            self.restic.run("restore", snapshot, "--target", str(target), expect=None)
            top = target / (about["above"] + about["prefix"])
        found = entries(describe(top)) if top.is_dir() else {}
        expected = entries((golden / f"{SNAPSHOTS[number]}.txt").read_text())
        shutil.rmtree(target)
        # Regular files only: stock restic 0.14 does not restore all attributes of other entries.
        files = {path: rest.split() for path, rest in expected.items() if rest.startswith("file")}
        return {path for path, rest in files.items() if found.get(path, "").split()[-1:] != rest[-1:]}

    def test_undamaged_copies_pass_every_check_and_restore(self) -> None:
        for golden in sorted(HERE.glob("*/about.json")):
            golden = golden.parent
            with self.subTest(golden.name):
                about = json.loads((golden / "about.json").read_text())
                self.copy(golden, None)
                for service in ("restic", "restic19"):
                    self.restic_of(service).check()
                self.assertEqual(self.agent.json("check", "--read-data")["exit_code"], 0)
                for number in range(2):
                    for by_us in (False, True):
                        self.assertEqual(self.wrong_after(golden, about, number, by_us=by_us), set())

    def test_damage_is_reported_as_by_restic(self) -> None:
        for golden in sorted(HERE.glob("*/about.json")):
            golden = golden.parent
            about = json.loads((golden / "about.json").read_text())
            for damage in json.loads((golden / "damages.json").read_text()):
                with self.subTest(golden.name, damage=damage["name"]):
                    self.copy(golden, damage)
                    self.compare(golden, about, damage)

    def compare(self, golden: Path, about: dict, damage: dict) -> None:
        ours = self.agent.run("check", "--read-data", "--json", expect=1)
        # Stock restic retries a missing or truncated file for a minute each time.
        is_patient = damage["file"].startswith("data/") and damage["do"] != "flip"
        theirs = self.restic.run("check", *([] if is_patient else ["--read-data"]), expect=None)
        said = theirs.stdout + theirs.stderr
        self.assertNotEqual(theirs.returncode, 0)
        name = damage["file"].rpartition("/")[2]
        # restic shortens some ids.
        if damage["says"] in ("pack", "file"):
            self.assertIn(name, ours.stdout)
            self.assertIn(name[:8], said)
        if damage["says"] == "open":
            self.assertIn(name[:8], ours.stdout + ours.stderr)
            return
        if damage["says"] == "file" and damage["file"].startswith("index/"):
            # Neither program finds more before the index is rebuilt; then all data is back. 3: damage was found.
            self.agent.run("repository", "repair", "index", expect=3 if damage["do"] == "flip" else 0)
            self.restic.check()
            for number in range(2):
                self.assertEqual(self.wrong_after(golden, about, number, by_us=True), set())
            return
        errors = json.loads(ours.stdout)["repositories"][0]["errors"]
        for number in range(2):
            if damage["file"].endswith(about["snapshots"][number]):
                continue
            named = set(damage[SNAPSHOTS[number]])
            self.assertEqual(self.named(errors, about, number), {as_shown(path) for path in named})
            expected = entries((golden / f"{SNAPSHOTS[number]}.txt").read_text())
            top = "/" + about["above"] + about["prefix"] + "/"
            needing = {
                path for path, rest in expected.items()
                if rest.startswith("file")
                and any(top + path == one or (one.endswith("/") and (top + path).startswith(one)) for one in named)
            }
            for by_us in (True,) if is_patient else (False, True):
                self.assertEqual(self.wrong_after(golden, about, number, by_us=by_us), needing, f"by us: {by_us}")

    @staticmethod
    def named(errors: list[str], about: dict, number: int) -> set[str]:
        """The paths that our check names for a snapshot, in JSON."""
        head = re.compile(rf'snapshot {about["snapshots"][number][:8]}: "((?:[^"\\]|\\.)*)": ')
        found = set()
        for error in errors:
            match = head.match(error)
            if match:
                found.add(re.sub(r"\\(x[0-9a-f]{2}|.)", _unescape, match[1]))
        return found


def _unescape(match: re.Match) -> str:
    letter = match[1]
    return chr(int(letter[1:], 16)) if letter.startswith("x") else {"n": "\n"}.get(letter, letter)


def as_shown(path: str) -> str:
    """The path as our check shows it: JSON cannot hold bytes that are not UTF-8."""
    return unquote_to_bytes(path).decode(errors="replace")


if __name__ == "__main__":
    main("restic", "restic19")
