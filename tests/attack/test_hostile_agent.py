"""A node that has joined is hostile: its reports are correctly signed and its messages are well-formed, but their
content is invalid. The controller must continue to serve operators and other nodes, and must not skip a report."""

import os
import sys
import time
import unicodedata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from client import ORDERS, AgentClient, agent_pb2, join, plan_pb2
from lib import Case, main
from lib.cluster import Cluster
from lib.shows import shows

_FILES = ("files/app", "main", "local")
_MIB = 1 << 20
_NOW_MS = int(1000 * time.time())


def composed(**fields) -> dict:
    return {"source": "files/app", "repository": "main",
            "composed": plan_pb2.Composed(**{"snapshot": os.urandom(32), "host": "db-1", "time_ms": _NOW_MS} | fields)}


def inventory(**fields) -> dict:
    one = {"id": os.urandom(32), "source": "files/app", "host": "db-1", "time_ms": _NOW_MS} | fields
    return {"inventory": plan_pb2.InventoryResult(repository_id="x", snapshots=[one])}


def restored(**fields) -> dict:
    return {"restored": plan_pb2.Restored(**fields)}


@shows("the agent's user", "the controller's availability",
       "cannot stop the controller, and cannot skip a report or block those of other nodes")
@shows("root on a node", "the controller's availability",
       "cannot stop the controller, and cannot skip a report or block those of other nodes")
class HostileAgent(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        self.agent = self.joined("db-1")

    def joined(self, node: str) -> AgentClient:
        agent = join(self.cluster.call("agent", "token", node, operator=True).stdout)
        self.assertIsInstance(agent, AgentClient, agent)
        self.addCleanup(agent.close)
        agent.hello(_FILES, capabilities=ORDERS)
        return agent

    def assert_alive(self) -> None:
        """Fails unless the controller runs and answers operators."""
        self.cluster.controller.require_running()
        self.assertEqual(self.cluster.status()["cluster"], "prod")

    def run_of_kind(self, kind: str) -> tuple[str, object]:
        """Starts a run and returns its id and the agent's plan."""
        words = {"backup": ["backup", "files/app@db-1"], "inventory": ["catalog", "rebuild"],
                 "verify": ["check", "--repository", "main"]}[kind]
        made = self.cluster.json(*words, "--no-wait")
        return made["runs"][0]["run"], self.agent.next_plan(kind)

    def test_a_report_outside_of_the_limits_is_refused_and_its_task_fails(self) -> None:
        cases = [
            ("backup", "a parent of 5 bytes", composed(parent=b"12345")),
            ("backup", "a snapshot of 31 bytes", composed(snapshot=b"x" * 31)),
            ("backup", "a host of 100 kB", composed(host="h" * 100_000)),
            ("backup", "a time before 1970", composed(time_ms=-1)),
            ("backup", "a time after 2255", composed(time_ms=1 << 62)),
            ("backup", "a size of 2^64 - 1 bytes", composed(bytes=(1 << 64) - 1)),
            ("backup", "21 missing items", composed(missing=[plan_pb2.MissingItem(what="x")] * 21)),
            ("backup", "a position with 10,000 entries", composed(position={str(n): "x" for n in range(10_000)})),
            ("inventory", "a snapshot's id of 5 bytes", inventory(id=b"12345")),
            ("inventory", "a parent of 33 bytes", inventory(parent=b"x" * 33)),
            ("inventory", "a note of 900 kB", inventory(note="n" * 900_000)),
            ("inventory", "an inventoried size of 2^64 - 1 bytes", inventory(bytes=(1 << 64) - 1)),
            ("verify", "100 errors", {"verify": plan_pb2.VerifyResult(errors=["e"] * 100)}),
            ("verify", "a safety snapshot of 5 bytes", restored(
                safety=plan_pb2.SafetySnapshot(snapshot=b"12345", repository="main"))),
            ("verify", "a code of 100 kB", {"failed": plan_pb2.Failure(code="c" * 100_000)}),
            ("verify", "an unknown task number", {"task": 1 << 31, "verify": plan_pb2.VerifyResult(sound=True)}),
        ]
        for kind, what, fields in cases:
            with self.subTest(what):
                run, plan = self.run_of_kind(kind)
                sequence = self.agent.report(plan, **fields)
                self.agent.wait_until_taken(sequence)
                self.assert_alive()
                if "task" in fields:
                    self.cluster.call("run", "cancel", run)
                    continue
                view = self.cluster.wait_for_end(run)
                self.assertEqual(view["state"], "failed", view)
                self.assertEqual(view["snapshots"], [])
        (problem,) = [one for one in self.cluster.status()["problems"] if one["condition"] == "report_refused"]
        self.assertEqual(problem["subject"], "db-1")
        self.assertIn(f"{len(cases)} ", problem["message"])

    def test_a_bad_report_neither_blocks_the_chain_nor_skips_a_report(self) -> None:
        """The bad report is the outcome of its task: a second report does not replace it."""
        run, plan = self.run_of_kind("verify")
        bad = self.agent.report_payload(plan, verify=plan_pb2.VerifyResult(errors=["e"] * 100))
        good = self.agent.report_payload(plan, verify=plan_pb2.VerifyResult(sound=True))

        self.agent.send_payloads(good)  # its predecessor is missing
        self.agent.receive("reports_taken")
        self.assertEqual(self.agent.taken, 0)
        self.agent.send_payloads(bad, good)
        self.agent.wait_until_taken(2)

        self.assertEqual(self.cluster.wait_for_end(run)["state"], "failed")
        self.cluster.restart_controller()
        self.agent.hello(_FILES, capabilities=ORDERS)
        self.agent.report(plan, verify=plan_pb2.VerifyResult(sound=True))
        self.agent.wait_until_taken(3)
        self.assertEqual(self.cluster.run_of(run)["state"], "failed")

    def test_a_hello_outside_of_the_limits_is_dropped(self) -> None:
        big = "x" * 100_000
        for what, change in {
            "a nonce of 70 kB": {"nonce": bytes(70_000)},
            "a nonce of 5 bytes": {"nonce": b"12345"},
            "no nonce": {"nonce": b""},
            "a process id of 100 kB": {"process_id": bytes(100_000)},
            "a boot id of 100 kB": {"boot_id": big},
            "a version of 100 kB": {"version": big},
            "a repository of 100 kB": {"repositories": [big]},
            "10,000 repositories": {"repositories": [str(n) for n in range(10_000)]},
            "a source of 100 kB": {"sources": [agent_pb2.ConfiguredSource(source="files/" + big, repository="main",
                                                                        topology="local")]},
            "a source with a line break": {"sources": [agent_pb2.ConfiguredSource(
                source="files/a\nb", repository="main", topology="local")]},
            "a version with a bidirectional override": {"version": "1 \u202e2"},
            "a report sequence of 2^64 - 1": {"report_oldest": (1 << 64) - 1},
            "a root version of 2^64 - 1": {"root_version": (1 << 64) - 1},
            "5,000 capabilities": {"capabilities": ["x"] * 5_000},
        }.items():
            with self.subTest(what):
                with self.assertRaises(AssertionError):
                    self.agent.hello(_FILES, seconds=1, **change)
                self.assert_alive()
        self.assertTrue(self.agent.hello(_FILES, capabilities=ORDERS).fresh)
        self.assertEqual(self.cluster.state_of("db-1")["sources"][0]["source"], "files/app")

    def test_messages_outside_of_the_limits_are_dropped(self) -> None:
        run, plan = self.run_of_kind("backup")
        task = agent_pb2.TaskProgress(plan_id=plan.plan_id, state=agent_pb2.TASK_STATE_SAVING)
        for what, message in {
            "a phase of 900 kB": agent_pb2.AgentMessage(progress=agent_pb2.Progress(
                tasks=[agent_pb2.TaskProgress(plan_id=plan.plan_id, phase="p" * 900_000)])),
            "10,000 tasks": agent_pb2.AgentMessage(progress=agent_pb2.Progress(tasks=[task] * 10_000)),
            "2^64 - 1 items and a negative time": agent_pb2.AgentMessage(progress=agent_pb2.Progress(
                tasks=[agent_pb2.TaskProgress(plan_id=plan.plan_id, items=(1 << 64) - 1, cut_time_ms=-(1 << 63))])),
            "a process id of 900 kB": agent_pb2.AgentMessage(heartbeat=agent_pb2.Heartbeat(process_id=bytes(900_000))),
            "an empty message": agent_pb2.AgentMessage(),
        }.items():
            with self.subTest(what):
                self.agent.send(message)
                self.assert_alive()
        self.agent.report(plan, **composed())
        self.assertEqual(self.cluster.wait_for_end(run)["state"], "done")

    def test_no_text_from_an_agent_reaches_a_terminal_unescaped(self) -> None:
        text = "bad \u202egpj.exe \u009b2J \x1b[2J \r\n\U000e0041 end"
        run, plan = self.run_of_kind("verify")
        self.agent.report(plan, failed=plan_pb2.Failure(code="unavailable", message=text, hint=text))
        self.cluster.wait_for_end(run)

        shown = [self.cluster.call(*words, expect=None) for words in (
            ("run", "show", run), ("run", "show", run, "--json"), ("run", "list"), ("status",), ("status", "--json"),
            ("agent", "list"), ("agent", "list", "--json"), ("source", "list", "--no-wait"))]
        outputs = [one.stdout + one.stderr for one in shown] + [(self.directory / "controller.log").read_text()]

        self.assertIn("gpj.exe", outputs[0])
        for output in outputs:
            unsafe = {char for char in output if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")} - {"\n"}
            self.assertEqual(unsafe, set(), output)

    def test_a_run_with_many_nodes_and_large_parts_is_composed(self) -> None:
        """The order to compose grows with the number of nodes, but not with what they report."""
        agents = {node: self.joined(node) for node in (f"db-{number}" for number in range(2, 61))} | {"db-1": self.agent}
        trees = {node: os.urandom(32) for node in agents}
        for agent in agents.values():
            agent.hello(("etcd/main", "main", "replicated"), _FILES, capabilities=ORDERS)
        run = self.cluster.json("backup", "etcd/main", "--no-wait")["runs"][0]["run"]
        text = "w" * 4_000
        missing = [plan_pb2.MissingItem(what=text, reason=text, remedy=text)] * 20
        for node, agent in agents.items():
            plan = agent.next_plan("backup")
            has_data = plan.backup.tasks[0].data
            if has_data:
                composer = agent
            agent.report(plan, source="etcd/main", repository="main", saved=plan_pb2.Part(
                node=node, tree_id=trees[node], data=has_data, warning_count=20, warnings=[text] * 20,
                missing_count=20, missing=missing))

        plan = composer.next_plan("compose")

        self.assertEqual({part.node: part.tree_id for part in plan.compose.parts}, trees)
        self.assertEqual([part.node for part in plan.compose.parts if part.data], [composer.node])
        composer.report(plan, **composed() | {"source": "etcd/main"})
        self.assertEqual(self.cluster.wait_for_end(run)["state"], "done")

    def test_a_plan_that_is_too_large_fails_only_its_own_run(self) -> None:
        """An order to back up names all sources that were selected on the node."""
        sources = [(f"files/{number:04}" + "x" * 240, "r" * 250, "local") for number in range(2_030)]
        self.agent.hello(*sources, _FILES, capabilities=ORDERS)
        run = self.cluster.json("backup", "files/*xxx@db-1", "--note", "n" * 1_000, "--no-wait")["runs"][0]["run"]

        ended = self.cluster.wait_for_end(run)

        self.assert_alive()
        self.assertEqual(ended["state"], "failed", ended)
        self.assertIn("plan", str(ended["tasks"][0]["error"]))
        run, plan = self.run_of_kind("verify")
        self.agent.report(plan, verify=plan_pb2.VerifyResult(sound=True))
        self.assertEqual(self.cluster.wait_for_end(run)["state"], "done")


main()
