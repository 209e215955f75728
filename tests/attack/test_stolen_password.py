"""A thief has the password of a repository and may write to its storage. Plain restic is enough to read and to delete
everything, as docs/security.md says."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from lib import Case, Restic, main
from lib.cluster import Cluster
from lib.shows import shows


class StolenPassword(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        for node in ("db-1", "db-2"):
            data = self.directory / f"{node}-data"
            data.mkdir()
            (data / "a").write_text(f"data of {node}\n")
            self.cluster.add(node, [{"kind": "files", "name": "app", "paths": [str(data)]}])
        self.cluster.call("backup", "--all")
        self.thief = Restic(self.cluster.repository, self.cluster.password, self.directory / "cache")

    @shows("the repository's password", "content of the snapshots", "can read the snapshots of all nodes in the repository")
    @shows("the agent's user", "content of the snapshots", "can read the snapshots of all nodes in the node's repository")
    def test_all_snapshots_can_be_read(self) -> None:
        self.thief.restore("latest", self.directory / "db-1", "--host", "db-1")
        self.thief.restore("latest", self.directory / "db-2", "--host", "db-2")

        self.assertEqual([path.read_text() for node in ("db-1", "db-2") for path in (self.directory / node).rglob("a")],
                         ["data of db-1\n", "data of db-2\n"])

    @shows("the repository's password", "existence of the snapshots", "can delete every snapshot, unless the storage refuses to delete")
    @shows("the agent's user", "existence of the snapshots", "can delete every snapshot in the node's repository, unless the storage refuses to delete")
    def test_all_snapshots_can_be_deleted(self) -> None:
        ids = [one["id"] for one in self.thief.snapshots()]
        self.assertEqual(len(ids), 2)

        self.thief.run("forget", "--prune", *ids)

        self.assertEqual(self.thief.snapshots(), [])


main("restic")
