"""The content of a HAProxy backup."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from edge import Edge
from lib import Case, main
from lib.counts import assert_counts


class Backup(Case):
    def setUp(self) -> None:
        super().setUp()
        self.edge = Edge(self.directory)

    def restored(self, snapshot: str) -> dict[str, bytes]:
        target = self.directory / "restored"
        self.edge.agent.run("restore", snapshot, "--to", str(target))
        files = target / "members" / "test-1" / "files"
        etc = files / str(self.edge.etc).lstrip("/")
        return {
            str(path.relative_to(etc)): path.read_bytes()
            for path in sorted(etc.rglob("*"))
            if path.is_file()
        }

    def test_exactly_the_files_that_the_configuration_names_are_saved(self) -> None:
        (self.edge.etc / "unnamed").write_text("not HAProxy's\n")
        report = self.edge.backup()

        self.assertEqual(report["missing"], [])
        self.assertEqual(report["warnings"], [])
        assert_counts(self, self.edge.agent, report)
        expected = self.edge.contents()
        del expected["unnamed"]
        self.assertEqual(self.restored(report["snapshot"]), expected)

    def test_missing_files_are_named_and_the_rest_is_saved(self) -> None:
        self.edge.haproxy.start()
        self.addCleanup(self.edge.haproxy.stop)
        good, before = self.edge.backup()["snapshot"], self.edge.contents()
        (self.edge.etc / "maps" / "version.map").unlink()
        report = self.edge.agent.json("backup", "haproxy/edge", expect=3)["sources"][0]

        missing = report["missing"]
        self.assertEqual([entry["what"] for entry in missing], [f"{self.edge.etc}/maps/version.map"])
        self.assertIn(f"{self.edge.config}:11", missing[0]["reason"])
        self.assertIn("haproxy.cfg", self.restored(report["snapshot"]))

        self.edge.configure(on_missing="fail")
        refused = self.edge.agent.run("backup", "haproxy/edge", expect=1).stderr
        self.assertIn("maps/version.map", refused)
        self.assertIn("on_missing: warn", refused)
        # A restore in place must be able to put it back.
        self.edge.restore(good)
        self.assertEqual(self.edge.contents(), before)

    def test_missing_configuration_is_an_error(self) -> None:
        self.edge.config.unlink()
        done = self.edge.agent.run("backup", "haproxy/edge", expect=1)
        self.assertIn(str(self.edge.config), done.stderr)

    def test_targets_of_symlinks_are_saved(self) -> None:
        archive = self.edge.etc / "archive"
        archive.mkdir()
        page = self.edge.etc / "errors" / "503.http"
        page.rename(archive / "1.http")
        page.symlink_to("../archive/1.http")
        report = self.edge.backup()
        self.assertEqual(report["missing"], [])
        self.assertIn("archive/1.http", self.restored(report["snapshot"]))

    def test_probe_reports_health_and_missing_files(self) -> None:
        (self.edge.etc / "errors" / "503.http").unlink()
        sources = self.edge.agent.json("source", "list")["sources"]
        text = str(sources)
        self.assertIn("haproxy refuses the configuration", text)
        self.assertIn(f"{self.edge.etc}/errors/503.http", text)


if __name__ == "__main__":
    main("haproxy", "restic")
