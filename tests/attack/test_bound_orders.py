"""An attacker who can change the controller's catalog answers an operator's request with another snapshot. The operator
signs the order. The node compares the snapshot in the repository with what the operator asked for and was shown."""

import sqlite3
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from lib import Case, main
from lib.cluster import Cluster
from lib.shows import shows

_NODES = ("db-1", "db-2")


class BoundOrders(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        self.catalog = self.directory / "controller-state" / "catalog.db"
        self.staged = self.directory / "staged"
        self.data = {}
        for node in _NODES:
            self.data[node] = self.directory / f"{node}-data"
            self.data[node].mkdir()
            self.cluster.add(node, [{"kind": "files", "name": "app", "paths": [str(self.data[node])]}],
                             policy={"restore": "in-place", "restore_roots": {"staging": str(self.staged)}})
        self.old = self.back_up("old")
        self.new = self.back_up("new")

    def back_up(self, content: str) -> dict[str, dict]:
        """Backs up both nodes with this content. Returns each node's snapshot."""
        for data in self.data.values():
            (data / "a").write_text(content)
        run = self.cluster.json("backup", "--all")["runs"][0]
        return {snapshot["host"]: snapshot for snapshot in run["snapshots"]}

    def lie(self, *statements: tuple[str, tuple]) -> None:
        """Changes the catalog of the stopped controller, then starts it again."""
        self.cluster.controller.kill()
        with sqlite3.connect(self.catalog) as catalog:
            for statement, values in statements:
                self.assertGreater(catalog.execute(statement, values).rowcount, 0, statement)
        self.cluster.start()
        for node in _NODES:
            self.cluster.wait_for(node)

    def hide(self, snapshot: dict) -> None:
        self.lie(("DELETE FROM snapshot WHERE snapshot = ?", (bytes.fromhex(snapshot["id"]),)))

    def restore(self, *arguments: str):
        return self.cluster.call("restore", *arguments, "--node", "db-1", "--yes", operator=True, expect=None)

    def ways(self) -> dict[str, tuple[str, ...]]:
        return {"staging": ("--into", "staging/x"), "in place": ("--in-place",), "dry run": ("--in-place", "--dry-run")}

    def assert_refused(self, selector: str, *values: str, ways: dict | None = None) -> None:
        """For every way to restore, the node refuses, names these values and changes nothing."""
        (self.data["db-1"] / "a").write_text("live")
        for name, way in (ways or self.ways()).items():
            with self.subTest(f"{selector} {name}"):
                done = self.restore(selector, *way)

                said = " ".join((done.stdout + done.stderr).split())
                self.assertNotEqual(done.code, 0, said)
                for value in values:
                    self.assertIn(value, said)
                self.assertEqual((self.data["db-1"] / "a").read_text(), "live")
                self.assertFalse((self.staged / "x").exists())

    def test_the_operator_is_shown_what_the_order_means(self) -> None:
        done = self.restore("latest:files/app@db-1", "--into", "staging/x")

        self.assertEqual(done.code, 0, done.stderr)
        signed = done.stderr.split("not part of the signature")[0]
        self.assertRegex(signed, r"host +db-1\n")
        self.assertRegex(signed, r"made +20\d\d-[^\n]+ \((just now|\d+s ago)\)\n")
        self.assertRegex(signed, rf"made by run +{self.new['db-1']['run']}\n")
        self.assertRegex(signed, r"newest +[^\n]*db-1 refuses")

    @shows("the controller's files", "live state of the services",
           "cannot make a node restore a snapshot other than the one that the operator asked for")
    def test_an_old_snapshot_is_not_restored_as_the_latest(self) -> None:
        self.hide(self.new["db-1"])

        self.assert_refused("latest:files/app@db-1", self.old["db-1"]["id"][:8], self.new["db-1"]["id"][:8])
        self.assert_refused("latest:files/app", self.old["db-1"]["id"][:8], self.new["db-1"]["id"][:8])
        # An operator who names its id has asked for this snapshot.
        done = self.restore(self.old["db-1"]["id"], "--into", "staging/x")
        self.assertEqual(done.code, 0, done.stderr)

    def test_a_snapshot_of_another_host_is_not_restored(self) -> None:
        self.lie(("DELETE FROM snapshot WHERE host = 'db-1'", ()),
                 ("UPDATE snapshot SET host = 'db-1' WHERE host = 'db-2'", ()))

        self.assert_refused("latest:files/app@db-1", "db-1", "db-2")

    def test_a_snapshot_of_another_run_is_not_restored(self) -> None:
        runs = [made["db-1"]["run"] for made in (self.old, self.new)]
        self.lie(("DELETE FROM snapshot WHERE snapshot = ?", (bytes.fromhex(self.new["db-1"]["id"]),)),
                 ("UPDATE snapshot SET run = ? WHERE snapshot = ?", (runs[1], bytes.fromhex(self.old["db-1"]["id"]))))

        self.assert_refused(f"run:{runs[1]}:files/app@db-1", *runs)

    def test_a_snapshot_of_another_time_is_not_restored(self) -> None:
        self.lie(("UPDATE snapshot SET time_ms = time_ms + 86400000 WHERE snapshot = ?",
                  (bytes.fromhex(self.old["db-1"]["id"]),)))

        self.assert_refused(self.old["db-1"]["id"], self.old["db-1"]["time"][:16])

    def test_undo_restores_only_the_newest_safety_snapshot(self) -> None:
        for content in ("first", "second"):
            (self.data["db-1"] / "a").write_text(content)
            done = self.restore(self.new["db-1"]["id"], "--in-place")
            self.assertEqual(done.code, 0, done.stderr)
        safety = [one for one in self.cluster.json("snapshot", "list", "--safety")["snapshots"] if one["safety"]]
        self.assertEqual(len(safety), 2)
        newest, oldest = sorted(safety, key=lambda one: one["time"], reverse=True)

        self.hide(newest)
        self.assert_refused("files/app@db-1", newest["id"][:8], oldest["id"][:8], ways={"undo": ("--undo",)})

        self.lie(("DELETE FROM snapshot WHERE snapshot = ?", (bytes.fromhex(oldest["id"]),)),
                 ("UPDATE snapshot SET safety = 1 WHERE snapshot = ?", (bytes.fromhex(self.old["db-1"]["id"]),)))
        self.assert_refused("files/app@db-1", "safety snapshot", ways={"undo": ("--undo",)})


main()
