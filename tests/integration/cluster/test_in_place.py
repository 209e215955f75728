"""Restores in place that an operator orders: of one path, and as a dry run."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "haproxy"))
from edge import LiveCase
from lib import Case, Tree, differences, main, scan
from lib.cluster import Cluster
from lib.haproxy import get


class Ordered:
    """Mixin for orders to the node db-1."""

    cluster: Cluster

    def order(self, snapshot: str, *arguments: str, state: str = "done") -> dict:
        argv = ("restore", snapshot, "--node", "db-1", "--in-place", "--yes", *arguments)
        run = self.cluster.json(*argv, operator=True, expect=None)["run"]
        self.assertEqual(run["state"], state, json.dumps(run, indent=1))
        [task] = run["tasks"]
        return task

    def planned(self, snapshot: str, *arguments: str) -> dict[str, str]:
        """Path -> action, as reported by a dry run."""
        restored = self.order(snapshot, "--dry-run", *arguments)["report"]["restored"]
        self.assertTrue(restored["dry_run"])
        self.assertIsNone(restored["safety_snapshot"])
        self.assertEqual(restored["plan_count"], len(restored["plan"]))
        return {item["name"]: item["action"] for item in restored["plan"]}

    def snapshots(self) -> list[str]:
        return [one["id"] for one in self.cluster.json("snapshot", "list", "--safety")["snapshots"]]


class FilesInPlace(Ordered, Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        self.live = self.directory / "live"
        tree = Tree(self.live)
        tree.file("conf/a", b"saved\n", 0o640)
        tree.file("conf/b", b"saved\n")
        tree.file("data/big", b"x" * 300_000)
        tree.symlink("current", "conf")
        tree.stamp()
        self.cluster.add("db-1", [{"kind": "files", "name": "app", "paths": [str(self.live)]}],
                         policy={"restore": "in-place"})
        self.cluster.call("backup", "--all")
        self.saved_conf = scan(self.live / "conf")
        (self.live / "conf" / "a").write_text("changed\n")
        (self.live / "conf" / "b").unlink()
        (self.live / "conf" / "new").write_text("came later\n")
        (self.live / "data" / "big").write_text("changed\n")

    def inside(self, path: Path) -> str:
        return f"data{path}"

    def test_a_dry_run_changes_nothing_and_reports_the_plan(self) -> None:
        before, snapshots = scan(self.live), self.snapshots()
        conf = {str(self.live / "conf" / name): action
                for name, action in (("a", "replaced"), ("b", "created"), ("new", "removed"))}

        planned = self.planned("latest:files/app")

        self.assertEqual(planned, conf | {str(self.live / "data" / "big"): "replaced"})
        self.assertEqual(self.planned("latest:files/app", "--path", self.inside(self.live / "conf")), conf)
        self.assertEqual(differences(before, scan(self.live)), [])
        self.assertEqual(self.snapshots(), snapshots)
        self.assertEqual(list(self.directory.rglob(".holdfast-*")), [])
        said = self.cluster.call("restore", "latest:files/app", "--node", "db-1", "--in-place", "--dry-run", "--yes",
                                 operator=True)
        self.assertIn("a dry run: nothing is changed", said.stderr)
        self.assertIn("a dry run, which changed nothing", said.stdout)
        self.assertRegex(said.stdout, r"file .*conf/new .*removed")

    def test_restore_of_one_path_can_be_undone(self) -> None:
        before = scan(self.live)

        task = self.order("latest:files/app", "--path", str(self.live / "conf"))  # the original path

        self.assertEqual(differences(self.saved_conf, scan(self.live / "conf")), [])
        self.assertEqual((self.live / "data" / "big").read_text(), "changed\n")
        self.assertIsNotNone(task["report"]["restored"]["safety_snapshot"])
        self.assertIn(task["report"]["restored"]["safety_snapshot"], self.snapshots())

        self.cluster.call("restore", "files/app", "--node", "db-1", "--undo", "--yes", operator=True)

        # Staging next to the path changed the time of its parent directory.
        self.assertEqual(differences(before, scan(self.live), ignore=frozenset({"mtime_ns"})), [])

    def test_path_missing_from_the_snapshot_is_an_error_and_changes_nothing(self) -> None:
        before = scan(self.live)
        task = self.order("latest:files/app", "--path", self.inside(self.live / "conf" / "new"), state="failed")
        self.assertEqual(task["error"]["code"], "not_found")
        self.assertFalse(task["error"]["began"])
        self.assertEqual(differences(before, scan(self.live)), [])


class HaproxyInPlace(Ordered, LiveCase):
    def setUp(self) -> None:
        super().setUp()
        self.edge = self.made(state_file=True)
        self.edge.haproxy.start()
        self.cluster = Cluster(self.directory / "cluster").start()
        self.cluster.add("db-1", [self.edge.source()], policy={"restore": "in-place"})
        self.cluster.call("backup", "--all")

    def inside(self, path: Path) -> str:
        return f"members/db-1/files{path}"

    def test_restore_of_one_map_keeps_all_other_runtime_state(self) -> None:
        self.write(self.edge, "v2")
        self.edge.haproxy.reload()
        self.change(self.edge)
        known, before = self.knows(self.edge), self.edge.contents()
        path = self.inside(Path(self.map))
        self.assertEqual(self.planned("latest:haproxy/edge", "--path", path), {self.map: "replaced"})
        self.assertEqual((self.knows(self.edge), self.edge.contents()), (known, before))

        self.order("latest:haproxy/edge", "--path", self.map)  # the original path

        after = self.edge.contents()
        self.assertEqual(after.pop("maps/version.map"), b"version v1\n")
        before.pop("maps/version.map")
        self.assertEqual(after, before)
        now = self.knows(self.edge)
        self.assertEqual(now.pop("map"), ["version v1"])
        known.pop("map")
        self.assertEqual(now, known)
        self.assertEqual(get(self.edge.port)[1], "v2 v1")
        self.assertEqual([str(one) for one in self.directory.rglob(".holdfast-*")], [])

    def test_dry_run_reports_what_haproxy_would_refuse(self) -> None:
        """A single path is checked together with the live files around it."""
        self.edge.config.write_text(self.edge.config.read_text() + "nonsense\n")
        Path(self.map).write_text("version changed\n")
        before = self.edge.contents()
        task = self.order("latest:haproxy/edge", "--path", self.inside(Path(self.map)), "--dry-run", state="failed")
        self.assertIn("haproxy refuses the configuration", task["error"]["message"])
        self.assertEqual(self.edge.contents(), before)


main("haproxy")
