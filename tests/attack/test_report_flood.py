"""A node that has joined endlessly sends correctly signed and chained reports. The controller must bound what it stores
of them, must not lose its place in the chain, and must continue to serve operators."""

import os
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from client import ORDERS, REPORT, AgentClient, SigningKey, join, plan_pb2, sign
from lib import Case, main
from lib.cluster import Cluster
from lib.shows import shows

_FILES = ("files/app", "main", "local")
_TEXT = "w" * 4_000
# A report of the largest size: about 240 kB.
_MISSING = [plan_pb2.MissingItem(what=_TEXT, reason=_TEXT, remedy=_TEXT)] * 20


def about_no_plan(report: plan_pb2.Report) -> None:
    """Changes a report so that it is about a plan and a run that the controller does not know."""
    report.plan_id = os.urandom(16)
    report.plan_hash = os.urandom(32)
    report.run = "01HF7YAT" + "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[byte % 32] for byte in os.urandom(18))


def large_snapshot() -> plan_pb2.Composed:
    return plan_pb2.Composed(snapshot=os.urandom(32), host="db-1", time_ms=int(1000 * time.time()), missing=_MISSING)


@shows("the agent's user", "the catalog and the audit log",
       "cannot make the controller store unlimited data")
class ReportFlood(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        self.catalog = self.directory / "controller-state" / "catalog.db"
        self.agent = self.joined("db-1", _FILES)

    def joined(self, node: str, *sources: tuple[str, str, str]) -> AgentClient:
        agent = join(self.cluster.call("agent", "token", node, operator=True).stdout)
        self.assertIsInstance(agent, AgentClient, agent)
        self.addCleanup(agent.close)
        agent.hello(*sources, capabilities=ORDERS)
        return agent

    def plan_to_verify(self) -> tuple[str, object]:
        run = self.cluster.json("check", "--repository", "main", "--no-wait")["runs"][0]["run"]
        return run, self.agent.next_plan("verify")

    def finished_plan(self) -> object:
        """A plan whose task and run are done."""
        run, plan = self.plan_to_verify()
        self.agent.report(plan, accepted=plan_pb2.Accepted())
        self.agent.report(plan, verify=plan_pb2.VerifyResult(sound=True))
        self.assertEqual(self.cluster.wait_for_end(run)["state"], "done")
        return plan

    def stored(self) -> dict[str, int]:
        """Rows of the catalog's tables that an agent can make grow, and the size of what the audit says about agents."""
        about_agents = "FROM audit WHERE type LIKE 'report.%' OR type LIKE 'agent.%'"
        queries = {"audit": f"SELECT count(*) {about_agents}", "bytes": f"SELECT sum(length(bytes)) {about_agents}",
                   "runs": "SELECT count(*) FROM run", "snapshots": "SELECT count(*) FROM snapshot"}
        with sqlite3.connect(f"file:{self.catalog}?mode=ro", uri=True) as connection:
            return {name: connection.execute(query).fetchone()[0] for name, query in queries.items()}

    def send(self, payloads: list[bytes]) -> None:
        """Sends reports, as many per message as fit, and waits until the controller has taken them."""
        for first in range(0, len(payloads), 4):
            self.agent.send_payloads(*payloads[first:first + 4])
        self.agent.wait_until_taken(self.agent.sequence, seconds=120)

    def flood(self, bound: int, make: Callable[[], bytes]) -> None:
        """Fails unless the catalog stops growing after `bound` reports."""
        self.send([make() for _ in range(bound)])
        before = self.stored()
        self.send([make() for _ in range(40)])
        self.assertEqual(self.stored(), before)

    def assert_serves(self, refused: int) -> None:
        """Fails unless `status` is fast and shows at least this many refused reports, and new tasks can be reported."""
        begin = time.monotonic()
        problems = self.cluster.status()["problems"]
        self.assertLess(time.monotonic() - begin, 5)
        (problem,) = [one for one in problems if one["condition"] == "report_refused"]
        self.assertEqual(problem["subject"], "db-1")
        self.assertGreaterEqual(int(problem["message"].split(" report")[0].split()[-1].replace(",", "")), refused)
        self.finished_plan()

    def test_reports_without_a_known_plan_are_bounded(self) -> None:
        plan = self.finished_plan()
        refusal = plan_pb2.Refused(check="size", message=_TEXT, hint=_TEXT)
        # The budget refills slowly, so these reports are large. The refusals use what the snapshots leave.
        for what, bound, change, fields in (
            ("snapshots", 80, about_no_plan, lambda: {"composed": large_snapshot()}),
            ("refusals", 40, about_no_plan, lambda: {"refused": refusal}),
            ("a run that has ended", 1, None, lambda: {"verify": plan_pb2.VerifyResult(errors=[_TEXT] * 20)}),
        ):
            with self.subTest(what):
                self.flood(bound, lambda change=change, fields=fields: self.agent.report_payload(
                    plan, change=change, source="files/app", repository="main", **fields()))
        self.assert_serves(100)

    def test_repeated_reports_of_one_task_are_bounded(self) -> None:
        etcd = ("etcd/main", "main", "replicated")
        self.agent.hello(etcd, _FILES, capabilities=ORDERS)
        self.joined("db-2", etcd)  # reports nothing, so the run stays open
        self.cluster.json("backup", "etcd/main", "--no-wait")
        plan = self.agent.next_plan("backup")
        part = plan_pb2.Part(node="db-1", tree_id=os.urandom(32), warnings=[_TEXT] * 20)
        for what, fields in {
            "accepted": {"accepted": plan_pb2.Accepted()},
            "refused": {"refused": plan_pb2.Refused(check="size", message=_TEXT)},
            "unknown task": {"task": 7, "saved": part},
            "unreadable": {"task": 7, "verify": plan_pb2.VerifyResult(errors=["e"] * 100)},
            "saved": {"saved": part},
            "failed": {"failed": plan_pb2.Failure(code="unavailable", message=_TEXT)},
        }.items():
            with self.subTest(what):
                self.flood(3, lambda fields=fields: self.agent.report_payload(plan, **fields))
        self.assert_serves(200)

    def test_reports_that_are_not_the_next_of_the_chain_are_bounded(self) -> None:
        plan = self.finished_plan()
        self.agent.wait_until_taken(self.agent.sequence)
        sequence, previous = self.agent.sequence, self.agent.previous

        def failure() -> plan_pb2.Failure:
            return plan_pb2.Failure(code="unavailable", message=os.urandom(20).hex() + _TEXT)

        def not_signed() -> bytes:
            self.agent.sequence, self.agent.previous = sequence, previous
            return sign(REPORT, self.agent.report_payload(plan, failed=failure()), SigningKey())

        def not_chained() -> bytes:
            self.agent.sequence, self.agent.previous = sequence, os.urandom(32)
            return sign(REPORT, self.agent.report_payload(plan, failed=failure()), self.agent.signing_key)

        for make in (not_signed, not_chained):
            with self.subTest(make.__name__):
                stored = []
                for count in (3, 40):
                    for _ in range(count):
                        self.agent.send_reports(make())
                        self.agent.receive("reports_taken")
                    self.agent.sequence = sequence
                    self.agent.hello(_FILES, capabilities=ORDERS, seconds=60)
                    stored.append(self.stored())
                self.assertEqual(stored[0], stored[1])
        self.agent.previous = previous
        self.assertEqual(self.agent.taken, sequence)
        self.assert_serves(80)

    def test_an_endless_inventory_fails(self) -> None:
        for what, page_of in (("the same page repeated", lambda _: [b"i" * 32, b"j" * 32]),
                              ("descending pages", lambda number: [bytes([200 - number]) * 32]),
                              ("a descending page", lambda _: [b"j" * 32, b"i" * 32]),
                              ("a snapshot twice", lambda _: [b"i" * 32, b"i" * 32])):
            with self.subTest(what):
                run = self.cluster.json("catalog", "rebuild", "--no-wait")["runs"][0]["run"]
                for number in range(3):
                    if number > 0 and self.cluster.run_of(run)["ended"]:
                        break
                    plan = self.agent.next_plan("inventory")
                    page = [plan_pb2.InventoriedSnapshot(id=one, source="files/app") for one in page_of(number)]
                    self.agent.report(plan, inventory=plan_pb2.InventoryResult(snapshots=page, more=True))
                    self.agent.wait_until_taken(self.agent.sequence)
                ended = self.cluster.run_of(run)
                self.assertEqual(ended["state"], "failed", ended)
                self.assertIn("order", ended["tasks"][-1]["error"]["message"])

    def test_hellos_that_change_the_agents_record_are_bounded(self) -> None:
        self.finished_plan()
        self.agent.wait_until_taken(self.agent.sequence)
        for what, fields in (("versions", lambda number: {"version": f"test {number}"}),
                             ("gaps", lambda number: {"report_oldest": self.agent.sequence + 10 * number + 20})):
            with self.subTest(what):
                stored = []
                for numbers in (range(100), range(100, 140)):
                    for number in numbers:
                        self.agent.hello(_FILES, capabilities=ORDERS, **fields(number))
                    stored.append(self.stored())
                self.assertEqual(stored[0], stored[1])
        self.assertEqual(self.cluster.state_of("db-1")["sources"][0]["source"], "files/app")


main()
