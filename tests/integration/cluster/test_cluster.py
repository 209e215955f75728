"""A cluster as operators know it: real controller, agents, etcd and stock restic, and what nobody may order."""

import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, EtcdCluster, Restic, main
from lib.cluster import Cluster

NODES = ("db-1", "db-2", "db-3")


def time_of(text: str) -> float:
    return datetime.fromisoformat(text.split(".")[0].rstrip("Z")).timestamp() + (
        float("0." + text.split(".")[1].rstrip("Z")) if "." in text else 0)


class WholeCluster(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()

    def add_files(self, node: str, text: str = "", **options) -> Path:
        data = self.directory / f"{node}-data"
        data.mkdir()
        (data / "a").write_text(text or f"data of {node}\n")
        self.cluster.add(node, [{"kind": "files", "name": "app", "paths": [str(data)]}], **options)
        return data

    def restic(self) -> Restic:
        return Restic(self.cluster.repository, self.cluster.password, self.directory / "cache")

    def test_one_run_over_etcd_and_files_on_three_nodes(self) -> None:
        etcd = EtcdCluster(self.directory / "etcd", "34", members=3).start()
        etcd.fill(500)
        for node, member in zip(NODES, etcd.members, strict=True):
            data = self.directory / f"{node}-data"
            data.mkdir()
            (data / "a").write_text(f"data of {node}\n")
            extra = self.directory / f"{node}.conf"
            extra.write_text(f"only {node} has this\n")
            self.cluster.add(node, [
                {"kind": "etcd", "name": "main", "endpoints": [member.client_url], "files": [str(extra)]},
                {"kind": "files", "name": "app", "paths": [str(data)]},
            ])

        done = self.cluster.json("backup", "--all")["runs"][0]

        self.assertEqual(done["state"], "done", done)
        snapshots = self.restic().snapshots()
        self.assertEqual(sorted((one["hostname"], one["paths"][0]) for one in snapshots), [
            ("db-1", "/files/app"), ("db-2", "/files/app"), ("db-3", "/files/app"), ("prod", "/etcd/main")])
        for one in snapshots:
            self.assertIn(f"run:{done['run']}", one["tags"])
            self.assertIn("cluster:prod", one["tags"])
        self.restic().check()
        cuts = [time_of(task["cut_time"]) for task in done["tasks"] if task["kind"] == "backup"]
        self.assertEqual(len(cuts), 6)
        self.assertLess(max(cuts) - min(cuts), 0.05)
        target = self.directory / "out"
        whole = next(one for one in snapshots if one["hostname"] == "prod")
        self.restic().restore(whole["id"], target)
        top = target / "etcd" / "main"
        self.assertTrue((top / "data" / "snapshot.db").is_file())
        for node in NODES:
            saved = top / "members" / node / "files" / str(self.directory / f"{node}.conf")[1:]
            self.assertEqual(saved.read_text(), f"only {node} has this\n")

    def test_a_restore_needs_an_operator_and_the_policy(self) -> None:
        roots = {"restore": "staging", "restore_roots": {"staging": str(self.directory / "staged")}}
        self.add_files("db-1", policy=roots)
        self.add_files("db-2")
        self.cluster.call("backup", "--all")

        self.cluster.call("restore", "latest:files/app@db-1", "--node", "db-1", "--into", "staging/x", "--yes",
                          operator=True)
        restored = list((self.directory / "staged" / "x").rglob("a"))
        self.assertEqual([path.read_text() for path in restored], ["data of db-1\n"])

        refused = self.cluster.call("restore", "latest:files/app@db-2", "--node", "db-2", "--into", "staging/x",
                                    "--yes", operator=True, expect=4)
        self.assertIn("policy", refused.stdout + refused.stderr)
        self.assertFalse((self.directory / "staged" / "y").exists())
        without = self.cluster.call("restore", "latest:files/app@db-1", "--node", "db-1", "--into", "staging/y",
                                    "--yes", expect=2)
        self.assertIn("no operator's key", without.stderr)
        self.assertFalse((self.directory / "staged" / "y").exists())

    def test_runs_end_whoever_is_killed(self) -> None:
        self.add_files("db-1", "x" * 1000)
        self.add_files("db-2", "y" * 1000)
        run = self.cluster.json("backup", "--all", "--no-wait")["runs"][0]["run"]
        self.cluster.controller.kill()
        self.cluster.restart_agent("db-1")
        self.cluster.start()

        view = self.cluster.wait_for_end(run)

        self.assertIn(view["state"], ("done", "partly done", "failed"), view)
        mine = [one for one in self.restic().snapshots() if f"run:{run}" in one["tags"]]
        self.assertEqual(len(mine), len({one["hostname"] for one in mine}))
        self.assertEqual({one["id"] for one in mine}, {one["id"] for one in view["snapshots"]})
        self.assertEqual(self.cluster.json("backup", "--all")["runs"][0]["state"], "done")
        self.restic().unlock()
        self.restic().check()

    def test_a_revoked_node_is_out(self) -> None:
        self.add_files("db-1")
        self.add_files("db-2")
        self.cluster.call("agent", "revoke", "db-2", "--yes")

        self.assertTrue(self.cluster.state_of("db-2")["revoked"])
        done = self.cluster.json("backup", "--all")["runs"][0]
        self.assertEqual({task["node"] for task in done["tasks"]}, {"db-1"})
        token = self.cluster.call("agent", "token", "db-2").stdout
        self.cluster.agents["db-2"].kill()
        self.cluster.agent("db-2").run("join", "--token-file", "-", input=token)
        self.cluster.start_agent("db-2")
        self.assertEqual(self.cluster.state_of("db-2")["incarnation"], 2)


main("etcd34", "restic")
