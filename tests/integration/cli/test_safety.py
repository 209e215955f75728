"""Safety snapshots are not backups: `latest`, retention and the floor ignore them, and `--undo` restores them."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Case, Restic, main, write_config  # noqa: E402
from lib.terminal import run_in_terminal  # noqa: E402


class SafetySnapshots(Case):
    def setUp(self) -> None:
        super().setUp()
        self.tree = self.directory / "tree"
        self.tree.mkdir()
        self.file = self.tree / "a"
        self.file.write_text("good\n")
        self.agent = Agent(
            write_config(
                self.directory, [{"kind": "files", "name": "app", "paths": [str(self.tree)]}]
            )
        )
        password = self.secret("password", "secret\n")
        self.restic = Restic(self.directory / "repository", password, self.directory / "cache")
        self.restic.init_cheaply()
        self.backup = self.agent.json("backup")["sources"][0]["snapshot"]

    def restore_in_place(self, *arguments: str) -> dict:
        return self.agent.json("restore", *(arguments or ("latest:files/app",)), "--in-place")

    def snapshots(self, *arguments: str) -> list[dict]:
        return self.agent.json("list", *arguments)["repositories"][0]["snapshots"]

    def test_restoring_twice_in_place_keeps_the_good_state(self) -> None:
        self.file.write_text("damaged\n")
        self.restore_in_place()
        second = self.restore_in_place()
        self.assertEqual(second["snapshot"], self.backup)
        self.assertEqual(self.file.read_text(), "good\n")

    def test_latest_of_stock_restic_is_the_backup(self) -> None:
        self.file.write_text("damaged\n")
        self.restore_in_place()
        said = self.restic.run("snapshots", "--json", "--path", "/files/app", "--latest", "1").stdout
        self.assertEqual([snapshot["id"] for snapshot in json.loads(said)], [self.backup])

    def test_forget_keeps_the_backup(self) -> None:
        self.file.write_text("damaged\n")
        safety = self.restore_in_place()["safety_snapshot"]["snapshot"]
        self.agent.run("repository", "forget", "--keep-last", "1", "--min-keep", "0")
        self.assertEqual([snapshot["id"] for snapshot in self.snapshots()], [self.backup])
        self.assertEqual({s["id"] for s in self.restic.snapshots()}, {self.backup, safety})

    def test_forget_of_stock_restic_keeps_the_backup(self) -> None:
        self.file.write_text("damaged\n")
        safety = self.restore_in_place()["safety_snapshot"]
        self.assertEqual(safety["name"], "app-before-restore")
        self.restic.run("forget", "--keep-last", "1")
        self.assertIn(self.backup, [snapshot["id"] for snapshot in self.restic.snapshots()])

    def test_the_floor_does_not_count_safety_snapshots(self) -> None:
        self.file.write_text("damaged\n")
        self.restore_in_place()
        self.file.write_text("newer\n")
        newer = self.agent.json("backup")["sources"][0]["snapshot"]
        self.restore_in_place()
        self.agent.run("repository", "forget", "--keep-last", "1", "--min-keep", "2")
        self.assertEqual([snapshot["id"] for snapshot in self.snapshots()], [self.backup, newer])

    def test_lists_show_safety_snapshots_only_on_request(self) -> None:
        safety = self.restore_in_place()["safety_snapshot"]["snapshot"]
        self.assertEqual([snapshot["id"] for snapshot in self.snapshots()], [self.backup])
        listed = {snapshot["id"]: snapshot["safety"] for snapshot in self.snapshots("--safety")}
        self.assertEqual(listed, {self.backup: False, safety: True})
        text = self.agent.run("list", "--safety").stdout
        self.assertRegex(text, rf"{safety[:8]}.*app-before-restore.*safety")
        tags = {snapshot["id"]: snapshot["tags"] for snapshot in self.restic.snapshots()}
        self.assertIn("safety", tags[safety])

    def test_restore_of_one_path_in_place_can_be_undone(self) -> None:
        other = self.tree / "b"
        other.write_text("new since the backup\n")
        self.file.write_text("damaged\n")
        self.restore_in_place("latest:files/app", "--path", str(self.file))
        self.assertEqual((self.file.read_text(), other.read_text()), ("good\n", "new since the backup\n"))
        self.agent.run("restore", "files/app", "--undo")
        self.assertEqual((self.file.read_text(), other.read_text()), ("damaged\n", "new since the backup\n"))

    def test_a_dry_run_in_place_changes_nothing(self) -> None:
        (self.tree / "b").write_text("new since the backup\n")
        self.file.write_text("damaged and longer\n")
        plan = self.restore_in_place("latest:files/app", "--dry-run")
        self.assertEqual(plan["plan_count"], len(plan["plan"]))
        self.assertIn(str(self.file), {change["name"] for change in plan["plan"]})
        self.assertIn(str(self.tree / "b"), {change["name"] for change in plan["plan"]})
        self.assertIsNone(plan["safety_snapshot"])
        self.assertEqual(self.file.read_text(), "damaged and longer\n")
        text = self.agent.run("restore", "latest:files/app", "--in-place", "--dry-run").stdout
        self.assertIn("would restore", text)

    def test_a_dry_run_in_place_wraps_its_lines(self) -> None:
        other = self.directory / "other"
        other.mkdir()
        source = {"kind": "files", "name": "app", "paths": [str(self.tree), str(other)]}
        write_config(self.directory, [source])
        self.agent.run("backup")
        write_config(self.directory, [source | {"paths": [str(self.tree)]}])

        screen = run_in_terminal(self.agent.argv("restore", "latest:files/app", "--in-place", "--dry-run"))

        self.assertEqual(screen.code, 0, screen.rest)
        self.assertIn(f"left {other} as it is", " ".join("\n".join(screen.rest).split()))
        self.assertEqual([line for line in screen.rest if len(line) > 80], [])

    def test_undo_puts_back_what_the_restore_replaced(self) -> None:
        self.file.write_text("mine\n")
        (self.tree / "extra").write_text("mine too\n")
        safety = self.restore_in_place()["safety_snapshot"]["snapshot"]
        self.assertFalse((self.tree / "extra").exists())

        undone = self.agent.json("restore", "files/app", "--undo")

        self.assertEqual(undone["snapshot"], safety)
        self.assertEqual(self.file.read_text(), "mine\n")
        self.assertEqual((self.tree / "extra").read_text(), "mine too\n")
        # An undo can itself be undone.
        self.agent.run("restore", "files/app", "--undo")
        self.assertEqual(self.file.read_text(), "good\n")

    def test_undo_without_a_safety_snapshot_is_an_error(self) -> None:
        said = self.agent.run("restore", "files/app", "--undo", expect=1).stderr
        self.assertIn('no safety snapshot of "files/app"', said)

    def test_restore_that_replaced_nothing_leaves_no_safety_snapshot(self) -> None:
        (self.directory / "repository" / "data").rename(self.directory / "data")
        (self.directory / "repository" / "data").mkdir()
        self.agent.run("restore", "latest:files/app", "--in-place", expect=1)
        (self.directory / "repository" / "data").rmdir()
        (self.directory / "data").rename(self.directory / "repository" / "data")
        self.assertEqual([s["id"] for s in self.restic.snapshots()], [self.backup])

    def test_names_of_safety_snapshots_are_reserved(self) -> None:
        config = self.agent.config
        config.write_text(config.read_text().replace('"app"', '"app-before-restore"'))
        said = self.agent.run("config", "check", expect=2).stderr
        self.assertIn("-before-restore", said)


if __name__ == "__main__":
    main("restic")
