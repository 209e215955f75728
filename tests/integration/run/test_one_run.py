"""One run of a controller saves all services of a cluster on three nodes: ZooKeeper and etcd with three members each, a
cluster of two Alertmanagers, Prometheus and HAProxy."""

import json
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import (
    Alertmanager,
    Case,
    EtcdCluster,
    MapHAProxy,
    MetricsEndpoint,
    Prometheus,
    Restic,
    ZooKeeperEnsemble,
    main,
    wait_until,
)
from lib.cluster import Cluster

NODES = ("node-1", "node-2", "node-3")
CUTS_WITHIN_SECONDS = 0.05
# The host that each snapshot names: a node, or for replicated sources the cluster.
SOURCES = {
    "/alertmanager/main": "prod",
    "/etcd/main": "prod",
    "/haproxy/edge": "node-1",
    "/prometheus/main": "node-2",
    "/zookeeper/main": "prod",
}


class OneRun(Case):
    def setUp(self) -> None:
        super().setUp()
        self.zookeeper = ZooKeeperEnsemble(self.directory / "zookeeper")
        self.addCleanup(self.zookeeper.kill)
        self.zookeeper.start()
        self.etcd = EtcdCluster(self.directory / "etcd", "etcd", members=3).start()
        self.metrics = MetricsEndpoint()
        self.addCleanup(self.metrics.stop)
        self.prometheus = Prometheus(self.directory / "prometheus", targets=[f"127.0.0.1:{self.metrics.port}"])
        self.addCleanup(self.prometheus.kill)
        self.prometheus.start()
        first = Alertmanager(self.directory / "alertmanager-2", peers=[])
        second = Alertmanager(self.directory / "alertmanager-3", peers=[first])
        self.alertmanagers = {"node-2": first, "node-3": second}
        for one in self.alertmanagers.values():
            self.addCleanup(one.kill)
            one.start()
        self.haproxy = MapHAProxy(self.directory / "edge")
        self.haproxy.start()
        self.addCleanup(self.haproxy.stop)
        self.cluster = Cluster(self.directory).start()
        self.restic = Restic(self.cluster.repository, self.cluster.password, self.directory / "cache")
        for number, node in enumerate(NODES, 1):
            self.cluster.add(node, self.sources_of(number, node))

    def own_file(self, node: str) -> Path:
        """The file that only this node's etcd member has."""
        path = self.directory / f"etcd-of-{node}.conf"
        path.write_text(f"only {node} has this\n")
        return path

    def sources_of(self, number: int, node: str) -> list[dict]:
        etcd = {"kind": "etcd", "name": "main", "endpoints": [self.etcd.members[number - 1].client_url]}
        sources = [
            etcd | {"files": [str(self.own_file(node))]},
            {"kind": "zookeeper", "name": "main", "config": str(self.zookeeper.members[number].config)},
        ]
        if node == "node-1":
            sources.append(self.haproxy.source())
        if node == "node-2":
            sources.append(self.prometheus.source())
        if node in self.alertmanagers:
            own = self.alertmanagers[node]
            peers = [one.url for one in self.alertmanagers.values() if one is not own]
            sources.append(own.source(endpoints=[own.url, *peers]))
        return sources

    def change_everything(self) -> None:
        """Changes every source; each snapshot must contain the change."""
        with self.zookeeper.client() as client:
            client.create("/before-the-run", b"x")
        self.etcd.fill(200)
        one, other = self.alertmanagers.values()
        self.silence = one.add_silence()
        wait_until("the silence on both", lambda: self.silence in other.silences())
        self.haproxy.change_in_memory()
        wait_until("samples", lambda: self.metrics.turns > 2)

    def test_each_source_has_one_snapshot_and_all_are_cut_at_once(self) -> None:
        self.change_everything()
        [run] = self.cluster.json("backup", "--all")["runs"]

        self.assertEqual(run["state"], "done", json.dumps(run, indent=1))
        snapshots = self.restic.snapshots()
        self.assertEqual(sorted((one["paths"][0], one["hostname"]) for one in snapshots), sorted(SOURCES.items()))
        for one in snapshots:
            self.assertIn(f"run:{run['run']}", one["tags"])
            self.assertNotIn("partial", one["tags"])
        cuts = {f"{task['source']}@{task['node']}": datetime.fromisoformat(task["cut_time"])
                for task in run["tasks"] if task["kind"] == "backup"}
        self.assertEqual(len(cuts), 10)
        self.assertLess((max(cuts.values()) - min(cuts.values())).total_seconds(), CUTS_WITHIN_SECONDS, cuts)
        self.assertTrue(all(one["cut_barrier_met"] for one in run["snapshots"]), run["snapshots"])

        for one in snapshots:
            kind = one["paths"][0].split("/")[1]
            target = self.directory / f"out-{kind}"
            self.restic.restore(one["id"], target)
            out = target / one["paths"][0].lstrip("/")
            self.manifest = json.loads((out / "manifest.json").read_text())
            self.assertEqual(self.manifest["missing"], [], one["paths"])
            getattr(self, f"check_{kind}")(out)

    def assert_members(self, out: Path, files: dict[str, list[Path]]) -> None:
        """Only these nodes are members, with the given files unchanged."""
        self.assertEqual(sorted(path.name for path in (out / "members").iterdir()), sorted(files))
        for node, paths in files.items():
            for path in paths:
                saved = out / "members" / node / "files" / str(path).lstrip("/")
                self.assertEqual(saved.read_bytes(), path.read_bytes(), saved)

    def check_zookeeper(self, out: Path) -> None:
        members = self.zookeeper.members
        self.assert_members(out, {node: [members[number].config, members[number].data_dir / "myid"]
                                  for number, node in enumerate(NODES, 1)})
        logs = b"".join(path.read_bytes() for path in (out / "data" / "version-2").glob("log.*"))
        self.assertIn(b"/before-the-run", logs)

    def check_etcd(self, out: Path) -> None:
        self.assert_members(out, {node: [self.directory / f"etcd-of-{node}.conf"] for node in NODES})
        again = EtcdCluster(self.directory / "again", "etcd")
        again.restore_by_etcd(out / "data" / "snapshot.db", again.members[0])
        self.assertEqual(again.start().state(), self.etcd.state())

    def check_alertmanager(self, out: Path) -> None:
        self.assert_members(out, {node: [one.config, one.template] for node, one in self.alertmanagers.items()})
        self.assertEqual(self.manifest["consistency"], "exact")
        saved = json.loads((out / "data" / "silences.json").read_text())
        self.assertEqual([one["id"] for one in saved], [self.silence])

    def check_prometheus(self, out: Path) -> None:
        self.assert_members(out, {"node-2": [self.prometheus.config]})
        saved = sorted((out / "data" / "wal").glob("0*"))
        self.assertNotEqual(saved, [])
        for path in saved:
            live = self.prometheus.data / "wal" / path.name
            # Truncation may have removed it from the live WAL since.
            if live.exists():
                self.assertTrue(live.read_bytes().startswith(path.read_bytes()), path)

    def check_haproxy(self, out: Path) -> None:
        files = [path for path in out.rglob(self.haproxy.map.name) if "live" not in path.parts]
        self.assertEqual([path.read_text() for path in files], ["/ file\n"])
        live = out / "members" / "node-1" / "live" / "1"
        self.assertEqual((live / f"maps{self.haproxy.map}").read_text(), "/ memory\n")


if __name__ == "__main__":
    main("alertmanager", "etcd", "haproxy", "prometheus", "restic", "zookeeper39")
