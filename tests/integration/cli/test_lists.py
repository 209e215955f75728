"""Lists of snapshots show notes, and the same counts as the backup and stock restic."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Case, Restic, main, write_config  # noqa: E402
from lib.counts import COUNTS, assert_counts  # noqa: E402


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
        self.today = Restic(self.directory / "repository", self.directory / "password",
                            self.directory / "cache", service="restic19")

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

    def test_note_set_by_restic_is_listed(self) -> None:
        self.agent.run("backup")
        self.restic.run("tag", "--add", "note:set by hand")
        self.assertEqual([one["note"] for one in self.listed()], ["set by hand"])


class Counts(Lists):
    def test_backup_list_and_restic_count_the_same(self) -> None:
        for change in ("nothing before", "nothing changed", "a file changed"):
            with self.subTest(change):
                if change == "a file changed":
                    (self.tree / "a").write_text("another\n")
                (backup,) = self.agent.json("backup")["sources"]
                assert_counts(self, self.agent, backup)
                summary = self.today.snapshots()[-1]["summary"]
                self.assertEqual([summary[name] for name in (
                    "total_files_processed", "total_bytes_processed", "data_added", "data_added_packed")],
                    [backup[name] for name in COUNTS])
                self.assertEqual(backup["files"], 4)  # a, deep/b, hard, manifest.json; the symlink does not count
                stats = self.agent.json("stats", backup["snapshot"])
                # `stats` counts a file with two names once, like `restic stats`.
                self.assertEqual(stats["bytes"], backup["bytes"] - len((self.tree / "a").read_text()))

    def test_tables_of_backup_and_list_show_the_same_counts(self) -> None:
        self.agent.run("backup")
        shown = {}
        for verb in ("backup", "list"):
            titles, *rows = self.agent.run(verb).stdout.splitlines()
            shown[verb] = dict(zip(titles.split(), re.split(r"\s{2,}", rows[0 if verb == "backup" else -1])))
        self.assertEqual(shown["backup"]["FILES"], shown["list"]["FILES"])
        self.assertEqual(shown["backup"]["SIZE"], shown["list"]["SIZE"])


if __name__ == "__main__":
    main("restic", "restic19")
