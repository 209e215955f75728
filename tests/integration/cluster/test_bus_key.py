"""The bus key is rotated while one node and one operator are offline."""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, main, wait_until
from lib.cluster import Cluster, program
from lib.processes import run

NODES = ("db-1", "db-2")


class RotatedBusKey(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        for node in NODES:
            data = self.directory / f"{node}-data"
            data.mkdir()
            (data / "a").write_text(f"data of {node}\n")
            self.cluster.add(node, [{"kind": "files", "name": "app", "paths": [str(data)]}])
        self.secret = self.cluster.config.parent / "bus.curve"
        self.former = self.cluster.operator.parent / "root.holdfast.former-bus-key"
        self.roots = self.directory / "controller-state" / "roots"

    def new_key(self, name: str) -> Path:
        path = self.directory / name
        run([program("holdfast-controller"), "bus-key", str(path)])
        return path

    def problem(self) -> dict | None:
        found = [one for one in self.cluster.status()["problems"] if one["condition"] == "bus_key_not_installed"]
        return found[0] if found else None

    def assert_backed_up(self, *nodes: str) -> None:
        done = self.cluster.json("backup", *(f"files/app@{node}" for node in nodes), operator=True)["runs"][0]
        self.assertEqual(done["state"], "done", done)
        self.assertEqual({task["node"] for task in done["tasks"]}, set(nodes))

    def test_agents_and_operators_follow_a_rotation_and_offline_ones_are_pinned_later(self) -> None:
        away = self.directory / "ben"
        shutil.copytree(self.cluster.operator.parent, away)
        self.cluster.agents["db-2"].stop()
        key = self.new_key("bus-2.curve")
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        again = run([program("holdfast-controller"), "bus-key", str(key)], expect=1)
        self.assertIn("already exists", again.stderr)

        # The new document is in force, but the controller still has the former key.
        self.cluster.rotate("--bus-key", f"{key}.pub")
        wait_until("db-1's confirmation", lambda: self.cluster.state_of("db-1")["root_version"] == 2)
        self.assertIn("waits for 1 of 2 agents to confirm root document 2: db-2", self.problem()["message"])
        self.assertTrue(self.former.exists())
        token = self.cluster.call("agent", "token", "db-3", operator=True, expect=None)
        self.assertIn("no node can join", token.stderr)
        third = self.new_key("bus-3.curve")
        refused = self.cluster.call("trust", "rotate", "--bus-key", f"{third}.pub", "--root-key",
                                    str(self.cluster.root_key), "--send", "--yes", operator=True, expect=None)
        self.assertIn("install that key first", refused.stderr)
        self.cluster.rotate("--days", "400")  # other changes are possible
        self.cluster.restart_controller()
        self.assertIn("has the former bus key", self.cluster.controller.tail())
        self.cluster.restart_agent("db-1")
        self.cluster.wait_for("db-1")
        self.assert_backed_up("db-1")
        self.assertTrue(self.former.exists())

        # The new key is installed.
        self.cluster.controller.stop()
        shutil.copy(key, self.secret)
        checked = run([program("holdfast-controller"), "config", "check", "--config", str(self.cluster.config)])
        self.assertIn("valid", checked.stdout)
        self.cluster.start()
        self.assertIsNone(self.problem())
        self.cluster.wait_for("db-1")
        self.assert_backed_up("db-1")
        self.assertFalse(self.former.exists())

        # A node that was offline.
        self.cluster.launch_agent("db-2")
        wait_until("a refused connection", lambda: "refuses this agent" in self.cluster.agents["db-2"].tail(), 60)
        documents = [str(path) for path in self.roots.glob("*.holdfast")]
        agent = self.cluster.agent("db-2")
        running = agent.run("trust", "pin", *documents, expect=None)
        self.assertIn("or stop it", running.stderr)
        self.cluster.agents["db-2"].stop()
        pinned = agent.json("trust", "pin", *documents)
        self.assertEqual((pinned["version_before"], pinned["version"]), (1, 3))
        self.cluster.start_agent("db-2")
        self.assert_backed_up(*NODES)

        # An operator who was offline.
        ben = ["--config", str(away / "cli.yaml")]
        refused = run([program("holdfast"), "agent", "list", *ben], expect=None)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("holdfast trust pin", refused.stderr)
        run([program("holdfast"), "trust", "pin", *documents, *ben])
        run([program("holdfast"), "agent", "list", *ben])

        # Another node can join.
        self.assertTrue(self.cluster.call("agent", "token", "db-3", operator=True).stdout.startswith("hf1."))

    def test_a_lost_bus_key_is_replaced_without_the_controller(self) -> None:
        self.cluster.controller.stop()
        self.secret.unlink()
        self.new_key("made/controller/bus.curve")
        failed = self.cluster.launch_controller()
        self.assertNotEqual(failed.wait(), 0)
        self.assertIn("holdfast-controller bus-key", failed.tail())
        checked = run([program("holdfast-controller"), "config", "check", "--config", str(self.cluster.config)],
                      expect=None)
        self.assertIn("has the bus key", checked.stderr)

        made = self.directory / "next.holdfast"
        pin = self.cluster.operator.parent / "root.holdfast"
        self.cluster.call("trust", "rotate", "--bus-key", f"{self.secret}.pub", "--base", str(pin), "--root-key",
                          str(self.cluster.root_key), "--file", str(made), "--yes", operator=True)
        shutil.copy(made, self.cluster.config.parent / "root.holdfast")
        self.cluster.start()
        self.cluster.call("trust", "pin", str(made), operator=True)
        for node in NODES:
            self.cluster.agents[node].stop()
            self.cluster.agent(node).run("trust", "pin", str(made))
            self.cluster.start_agent(node)

        self.assert_backed_up(*NODES)


main("restic")
