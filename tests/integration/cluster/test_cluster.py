"""A whole cluster: real controller, agents, etcd, HAProxy and stock restic."""

import os
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import (
    Authority,
    Case,
    EtcdCluster,
    HAProxy,
    Restic,
    Tree,
    differences,
    free_port,
    main,
    scan,
    service_program,
)
from lib.cluster import Cluster
from lib.counts import listed

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

    def test_one_run_saves_etcd_haproxy_and_files_on_three_nodes(self) -> None:
        etcd = EtcdCluster(self.directory / "etcd", "etcd", members=3).start()
        etcd.fill(500)
        edge = self.start_haproxy()
        for number, (node, member) in enumerate(zip(NODES, etcd.members, strict=True)):
            tree = Tree(self.directory / f"{node}-data")
            tree.random_file("big", 300_000, seed=number)
            tree.file("conf.d/a", f"data of {node}\n".encode(), 0o640)
            tree.symlink("current", "conf.d")
            tree.stamp()
            extra = self.directory / f"{node}.conf"
            extra.write_text(f"only {node} has this\n")
            sources = [
                {"kind": "etcd", "name": "main", "endpoints": [member.client_url], "files": [str(extra)]},
                {"kind": "files", "name": "app", "paths": [str(self.directory / f"{node}-data")]},
            ]
            haproxy = {"kind": "haproxy", "name": "edge", "config": [str(path) for path in edge.configs],
                       "binary": edge.program}
            self.cluster.add(node, sources + ([haproxy] if node == "db-1" else []))

        done = self.cluster.json("backup", "--all")["runs"][0]

        self.assertEqual(done["state"], "done", done)
        snapshots = {(one["hostname"], one["paths"][0]): one for one in self.restic().snapshots()}
        self.assertEqual(len(self.restic().snapshots()), 5)
        self.assertEqual(sorted(snapshots), [
            ("db-1", "/files/app"), ("db-1", "/haproxy/edge"), ("db-2", "/files/app"), ("db-3", "/files/app"),
            ("prod", "/etcd/main")])
        for one in snapshots.values():
            self.assertIn(f"run:{done['run']}", one["tags"])
            self.assertIn("cluster:prod", one["tags"])
            self.assertNotIn("partial", one["tags"])
        self.restic().check()
        self.assert_counts_as_agents(done["snapshots"])
        cuts = [time_of(task["cut_time"]) for task in done["tasks"] if task["kind"] == "backup"]
        self.assertEqual(len(cuts), 7)
        self.assertLess(max(cuts) - min(cuts), 0.05)
        self.assertTrue(all(one["cut_barrier_met"] for one in done["snapshots"]), done["snapshots"])

        for node in NODES:
            top = self.restored(snapshots[(node, "/files/app")], "files/app")
            live = self.directory / f"{node}-data"
            self.assertEqual(differences(scan(live), scan(top / "data" / str(live)[1:])), [])
        top = self.restored(snapshots[("db-1", "/haproxy/edge")], "haproxy/edge")
        for live in (*edge.configs, self.directory / "edge" / "site.pem", self.directory / "edge" / "names.map"):
            found = [path for path in top.rglob(live.name) if str(path).endswith(str(live))]
            self.assertEqual([path.read_bytes() for path in found], [live.read_bytes()], live)
        top = self.restored(snapshots[("prod", "/etcd/main")], "etcd/main")
        self.assertEqual(sorted(path.name for path in (top / "members").iterdir()), list(NODES))
        for node in NODES:
            saved = top / "members" / node / "files" / str(self.directory / f"{node}.conf")[1:]
            self.assertEqual(saved.read_text(), f"only {node} has this\n")
        again = EtcdCluster(self.directory / "again", "etcd")
        again.restore_by_etcd(top / "data" / "snapshot.db", again.members[0])
        self.assertEqual(again.start().state(), etcd.state())

    def start_haproxy(self) -> HAProxy:
        etc = self.directory / "edge"
        etc.mkdir()
        issued = Authority(self.directory / "ca").issue("edge")
        (etc / "site.pem").write_text(issued.cert.read_text() + issued.key.read_text())
        (etc / "names.map").write_text("/ hello\n")
        config = etc / "haproxy.cfg"
        config.write_text(
            "defaults\n    mode http\n    timeout connect 5s\n    timeout client 10s\n    timeout server 10s\n"
            f"frontend plain\n    bind 127.0.0.1:{free_port()} ssl crt {etc}/site.pem\n"
            f"    http-request return status 200 content-type text/plain lf-string %[path,map({etc}/names.map)]\n")
        return HAProxy(etc, [config]).start()

    def assert_counts_as_agents(self, snapshots: list[dict]) -> None:
        """The controller shows the same counts and notes as an agent's list."""
        for one in snapshots:
            shown = listed(self.cluster.agent(NODES[0]), one["id"])
            self.assertEqual({name: one[name] for name in ("files", "bytes", "note")},
                             {name: shown[name] for name in ("files", "bytes", "note")})

    def restored(self, snapshot: dict, below: str) -> Path:
        """Restores the snapshot with stock restic; returns the path of its /KIND/NAME."""
        target = self.directory / f"out-{snapshot['short_id']}"
        self.restic().restore(snapshot["id"], target)
        return target / below

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

    def test_restore_to_a_target_uses_the_options_of_the_policy(self) -> None:
        etcd = EtcdCluster(self.directory / "etcd", "etcd").start()
        etcd.fill(500)
        again = EtcdCluster(self.directory / "again", "etcd")
        by_helper = self.directory / "by-helper"
        fixed = {"stage_data_dir": str(again.members[0].data_dir), "member": again.members[0].name,
                 "initial_cluster": again.initial_cluster}
        policy = {"restore": "in-place", "restore_targets": {
            "again": {"kind": "etcd", "options": fixed, "may_set": ["initial_cluster_token"]},
            "root": {"kind": "etcd", "options": fixed | {"stage_data_dir": str(by_helper)}, "as_root": True}}}
        self.cluster.add("db-1", [{"kind": "etcd", "name": "main", "endpoints": [etcd.members[0].client_url]}],
                         policy=policy)
        self.cluster.agents["db-1"].kill()
        tools = Path(service_program("etcd", "etcdctl")).parent
        self.cluster.launch_agent("db-1", env={"PATH": f"{tools}:{os.environ['PATH']}"})
        self.cluster.wait_for("db-1")
        self.cluster.call("backup", "--all")

        def restore(*arguments: str, expect: int = 0) -> str:
            done = self.cluster.call("restore", "latest:etcd/main", "--node", "db-1", *arguments, "--yes",
                                     operator=True, expect=expect)
            return done.stdout + done.stderr

        refused = restore("--to-target", "again", "--option", f"stage-data-dir={self.directory}/mine", expect=4)
        self.assertIn("orders cannot set --stage-data-dir", refused)
        self.assertIn('fixes option "member"', restore("--to-target", "again", "--member", "other", expect=4))
        refused = restore("--to-target", "again", "--mark-compacted", expect=4)
        self.assertIn('orders cannot set option "mark_compacted"', refused)
        refused = restore("--to-target", "again", "--topic", "orders", expect=2)
        self.assertIn('--topic is not an option of "etcd" snapshots', refused)
        self.assertIn("is not in the node's policy", restore("--to-target", "elsewhere", expect=4))
        self.assertIn("does not support --dry-run", restore("--to-target", "again", "--dry-run", expect=1))
        self.assertFalse(again.members[0].data_dir.exists())

        said = restore("--to-target", "again", "--initial-cluster-token", again.token)

        self.assertIn("restore to a target of the node's policy", said)
        self.assertIn(again.token, said)
        self.assertEqual(again.start().state(), etcd.state())
        self.assertFalse((self.directory / "mine").exists())
        self.assertEqual(list((self.directory / "db-1").rglob("*.outcome")), [], "the helper had no part in it")

        restore("--to-target", "root")
        self.assertTrue((by_helper / "member" / "snap" / "db").is_file())
        self.assertEqual(len(list((self.directory / "db-1").rglob("*.outcome"))), 1)

    def test_run_ends_after_controller_and_agent_are_killed(self) -> None:
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

    def test_revoked_node_is_excluded_until_it_joins_again(self) -> None:
        self.add_files("db-1")
        self.add_files("db-2")
        self.cluster.call("agent", "revoke", "db-2", "--yes")

        self.assertTrue(self.cluster.state_of("db-2")["revoked"])
        done = self.cluster.json("backup", "--all")["runs"][0]
        self.assertEqual({task["node"] for task in done["tasks"]}, {"db-1"})
        token = self.cluster.call("agent", "token", "db-2", "--rejoin", "--yes", operator=True).stdout
        self.cluster.agents["db-2"].kill()
        self.cluster.agent("db-2").run("join", "--token-file", "-", input=token)
        self.cluster.start_agent("db-2")
        self.assertEqual(self.cluster.state_of("db-2")["incarnation"], 2)


main("etcd", "haproxy", "restic")
