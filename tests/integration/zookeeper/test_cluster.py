"""Three members, each with an agent, under a controller: one snapshot, with one member's data and every member's
files."""

import json

from rig import begin_with, ensemble, run_tests, source_of
from lib import Case, wait_until
from lib.cluster import Cluster
from lib.zookeeper_client import create

NODES = {1: "zk-1", 2: "zk-2", 3: "zk-3"}


class ThreeAgents(Case):
    def setUp(self) -> None:
        super().setUp()
        self.zookeeper = ensemble(self.directory / "zk")
        self.addCleanup(self.zookeeper.kill)
        self.zookeeper.start()
        with self.zookeeper.client(1) as client:
            client.fill(create(f"/n{number}", b"x" * 100) for number in range(200))
        self.cluster = Cluster(self.directory).start()
        for number, node in NODES.items():
            self.cluster.add(node, [source_of(self.zookeeper, number)], policy=self.policy())

    def policy(self) -> dict:
        """Allows restores into the ensemble itself."""
        hosts = [f"127.0.0.1:{member.client_port}" for member in self.zookeeper.members.values()]
        target = {"kind": "zookeeper", "options": {"to_ensemble": hosts}, "may_set": ["znode"]}
        return {"restore": "in-place", "restore_targets": {"live": target}}

    def order(self, *arguments: str) -> dict:
        argv = ("restore", "latest:zookeeper/main", "--node", NODES[1], "--to-target", "live", "--yes")
        return self.cluster.json(*argv, *arguments, operator=True, expect=None)["run"]

    def back_up(self, states: tuple[str, ...] = ("done",)) -> dict:
        [run] = self.cluster.json("backup", "--all", expect=None)["runs"]
        self.assertIn(run["state"], states, json.dumps(run, indent=1))
        return run

    def restored(self, name: str) -> dict:
        target = self.directory / name
        self.cluster.agent(NODES[1]).run("restore", "latest:zookeeper/main", "--to", str(target))
        return json.loads((target / "manifest.json").read_text())

    def test_one_agent_saves_the_data_and_each_its_files(self) -> None:
        self.back_up()
        manifest = self.restored("out")
        self.assertEqual(manifest["missing"], [])
        self.assertTrue(manifest["cut_barrier"])
        self.assertEqual(len(manifest["parts"]), 3)
        for number, node in NODES.items():
            files = self.directory / "out" / "members" / node / "files"
            member = self.zookeeper.members[number]
            for path in (member.config, member.data_dir / "myid"):
                self.assertEqual((files / str(path).lstrip("/")).read_bytes(), path.read_bytes())
        epochs = [values for key, values in manifest["details"].items() if key.endswith("current_epoch")]
        self.assertEqual(epochs, [["1"]] * 3)

    def test_nodes_are_restored_by_order(self) -> None:
        with self.zookeeper.client(1) as client:
            client.create("/app", b"1")
            client.create("/app/below", b"2")
            self.back_up()
            client.delete("/app/below")
            client.delete("/app")
            dry = self.order("--znode", "/app", "--dry-run")
            self.assertEqual(dry["state"], "done", json.dumps(dry, indent=1))
            self.assertIsNone(client.stat("/app"))
            run = self.order("--znode", "/app")
            self.assertEqual(run["state"], "done", json.dumps(run, indent=1))
            client.sync()
            self.assertEqual(client.get("/app/below")[0], b"2")
            # An order cannot set the target ensemble.
            refused = self.order("--znode", "/app", "--to-ensemble", "127.0.0.1:1")
            self.assertNotEqual(refused["state"], "done")

    def test_another_agent_takes_over_from_a_dead_member(self) -> None:
        self.back_up()
        first = self.restored("first")
        chosen = first["identity"]["member_id"]
        self.zookeeper.members[int(chosen)].process.kill()
        wait_until("a leader among the rest", lambda: self.zookeeper.leader() != int(chosen))
        other = next(number for number in NODES if str(number) != chosen)
        with self.zookeeper.client(other) as client:
            client.create("/after")
        self.back_up(("done", "partly_done"))
        second = self.restored("second")
        self.assertNotEqual(second["identity"]["member_id"], chosen)
        self.assertEqual(len({part["node"] for part in second["parts"]}), 3)
        new = ensemble(self.directory / "new", 1)
        self.addCleanup(new.kill)
        begin_with(new, self.directory / "second" / "data")
        with new.client() as client:
            self.assertIsNotNone(client.stat("/after"))


if __name__ == "__main__":
    run_tests()
