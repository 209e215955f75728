"""What lists show of snapshots: notes, and the same counts as the backup and stock restic."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Case, Restic, main, write_config  # noqa: E402


class Lists(Case):
    def setUp(self) -> None:
        super().setUp()
        self.tree = self.directory / "tree"
        (self.tree / "deep").mkdir(parents=True)
        (self.tree / "a").write_text("alpha\n")
        (self.tree / "deep" / "b").write_text("beta\n")
        (self.tree / "link").symlink_to("a")
        (self.tree / "hard").hardlink_to(self.tree / "a")
        self.agent = Agent(write_config(
            self.directory, [{"kind": "files", "name": "app", "paths": [str(self.tree)]}]
        ))
        self.agent.run("init")
        self.restic = Restic(self.directory / "repository", self.directory / "password",
                             self.directory / "cache")

    def listed(self) -> list[dict]:
        return self.agent.json("list")["repositories"][0]["snapshots"]


class Notes(Lists):
    def test_a_note_is_listed_and_survives_restic(self) -> None:
        note = "100 %, before 3.6"
        self.agent.run("backup", "--note", note)
        self.assertEqual([one["note"] for one in self.listed()], [note])
        self.assertIn("note:100 %25%2C before 3.6", self.restic.run("snapshots").stdout)

        self.restic.run("tag", "--add", "keep")
        (tagged,) = self.listed()
        self.assertEqual((tagged["note"], tagged["tags"][-1]), (note, "keep"))
        lines = self.agent.run("list").stdout.splitlines()
        self.assertTrue(lines[0].endswith("  NOTE"), lines)
        self.assertTrue(lines[1].endswith(f"  keep  {note}"), lines)

    def test_restic_sets_a_note(self) -> None:
        self.agent.run("backup")
        self.restic.run("tag", "--add", "note:set by hand")
        self.assertEqual([one["note"] for one in self.listed()], ["set by hand"])


if __name__ == "__main__":
    main("restic")
