"""A thief with all keys and files of a controller can start backups. Every agent refuses everything else, and signs a
report of each refusal."""

import sqlite3
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from client import ROOT, ControllerClient, SigningKey, plan_pb2, sign, trust_pb2
from client.conversation import payload_of
from client.messages import field
from lib import Case, Restic, differences, main, scan
from lib.cluster import Cluster
from lib.shows import shows

_NODES = ("db-1", "db-2")
_RESTORE = 8  # ORDER_KIND_RESTORE
# Field numbers in Plan of orders that do not exist.
_FORGET, _PRUNE, _TRUST = 28, 29, 30
_BACKUP = 20


def backup(source: str, repository: str) -> plan_pb2.BackupOrder:
    task = plan_pb2.BackupTask(source=source, repository=repository, data=True, compose=True)
    return plan_pb2.BackupOrder(tasks=[task])


class StolenController(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        self.staged = {node: self.directory / f"{node}-staged" for node in _NODES}
        self.data = {}
        self.catalog = self.directory / "controller-state" / "catalog.db"
        self.mallory = SigningKey()
        self.refusals = 0
        for node in _NODES:
            data = self.directory / f"{node}-data"
            data.mkdir()
            (data / "a").write_text(f"data of {node}\n")
            self.data[node] = data
            # These policies allow every restore that an operator signs.
            policy = {"restore": "in-place", "restore_roots": {"staging": str(self.staged[node])}, "restore_targets": {
                "dr": {"kind": "etcd", "options": {"stage_data_dir": str(self.directory / "etcd")},
                       "may_set": ["member"]}}}
            self.cluster.add(node, [{"kind": "files", "name": "app", "paths": [str(data)]}], policy=policy)
        done = self.cluster.json("backup", "--all")["runs"][0]
        self.snapshot = next(bytes.fromhex(one["id"]) for one in done["snapshots"] if one["host"] == "db-1")

    def steal(self) -> ControllerClient:
        """Kills the real controller and takes its place with all its files."""
        thief = ControllerClient.in_place_of(self.cluster)
        self.addCleanup(thief.close)
        for node in _NODES:
            thief.answer(thief.hello_of(node))
        return thief

    def give_back(self, thief: ControllerClient) -> None:
        """Starts the real controller again. The nodes need not join again."""
        thief.close()
        self.cluster.start()
        for node in _NODES:
            self.cluster.wait_for(node)

    def restore_order(self, directory: str = "y", source: str = "files/app", **target) -> plan_pb2.RestoreOrder:
        target = target or {"staging": plan_pb2.StagingTarget(root="staging", directory=directory)}
        return plan_pb2.RestoreOrder(repository="main", snapshot=self.snapshot, source=source, time_ms=1, **target)

    def send_restore(self, thief: ControllerClient, node: str, order: plan_pb2.RestoreOrder, *keys: SigningKey) -> None:
        name = "restore" if order.HasField("staging") else "restore in place"
        thief.send_plan(node, thief.plan(node, order_name=name, restore=order), *keys)

    def refused(self, thief: ControllerClient, node: str, check: str) -> plan_pb2.Refused:
        report = thief.report_of(node)
        self.assertEqual((report.WhichOneof("outcome"), report.refused.check), ("refused", check), report)
        self.refusals += 1
        return report.refused

    def restic(self) -> Restic:
        return Restic(self.cluster.repository, self.cluster.password, self.directory / "cache")

    def anna_restores(self, directory: str) -> None:
        self.cluster.call("restore", "latest:files/app@db-1", "--node", "db-1", "--into", f"staging/{directory}", "--yes",
                          operator=True)
        copies = list((self.staged["db-1"] / directory).rglob("a"))
        self.assertEqual([path.read_text() for path in copies], ["data of db-1\n"])

    def rows(self, query: str, *values) -> list[tuple]:
        with sqlite3.connect(f"file:{self.catalog}?mode=ro", uri=True) as connection:
            return connection.execute(query, values).fetchall()

    @shows("the controller's files", "live state of the services",
           "cannot restore: the nodes refuse orders without an operator's signature")
    def test_agent_refuses_a_restore_without_an_operators_signature(self) -> None:
        self.assertIn("tcp://", self.cluster.operator.read_text())
        self.anna_restores("x")

        thief = self.steal()
        self.send_restore(thief, "db-1", self.restore_order("y"))
        self.assertIn("operator", self.refused(thief, "db-1", "operators").message)
        self.assertFalse((self.staged["db-1"] / "y").exists())

        # With the real controller and anna's key the restore still works.
        self.give_back(thief)
        self.anna_restores("y")

    @shows("the controller's files", "existence of the snapshots",
           "can start backups, but cannot delete or replace a snapshot")
    def test_a_thief_can_start_backups_and_nothing_else(self) -> None:
        self.anna_restores("first")
        before = {one["id"] for one in self.restic().snapshots()}
        live = {node: scan(data) for node, data in self.data.items()}
        ((signed_by_anna,),) = self.rows("SELECT envelope FROM plan WHERE kind = ?", _RESTORE)
        staged = list(self.staged["db-1"].rglob("*"))

        thief = self.steal()

        with self.subTest("a backup is made"):
            thief.send_plan("db-1", thief.plan("db-1", order_name="backup", backup=backup("files/app", "main")))
            self.assertEqual(thief.report_of("db-1").WhichOneof("outcome"), "composed")
        self.check_restores(thief)
        self.check_signatures(thief, signed_by_anna)
        self.check_orders(thief)
        self.check_root_document(thief)
        with self.subTest("an order that anna has signed, sent again"):
            # The agent knows this plan and does not repeat it; it answers the next plan.
            for path in (self.staged["db-1"] / "first").rglob("a"):
                path.unlink()
            staged = [path for path in staged if path.name != "a"]
            thief.send_envelope("db-1", signed_by_anna)
            self.send_restore(thief, "db-1", self.restore_order())
            self.refused(thief, "db-1", "operators")

        self.assertEqual(list(self.staged["db-1"].rglob("*")), staged)
        self.assertFalse(self.staged["db-2"].exists())
        for node, data in self.data.items():
            self.assertEqual(differences(live[node], scan(data)), [])
        after = {one["id"] for one in self.restic().snapshots()}
        self.assertLessEqual(before, after)
        self.assertEqual(len(after - before), 1)
        self.restic().check()
        self.give_back(thief)
        self.assertEqual(self.cluster.json("backup", "--all")["runs"][0]["state"], "done")
        # The agents have reported the refused plans to the real controller.
        refused = field(1, b"outcome") + field(2, b"refused")  # an entry of a map
        ((audited,),) = self.rows("SELECT count(*) FROM audit WHERE type = 'report.taken' AND instr(bytes, ?)", refused)
        self.assertEqual(audited, self.refusals)

    def check_restores(self, thief: ControllerClient) -> None:
        for name, order in {
            "a restore": self.restore_order(),
            "a restore of another node's source": self.restore_order(source="files/other"),
            "a restore outside of the restore roots": self.restore_order("../../etc"),
            "a restore in place": self.restore_order(in_place=plan_pb2.InPlaceTarget()),
            "a restore to a target": self.restore_order(source="etcd/main", named=plan_pb2.NamedTarget(name="dr")),
        }.items():
            with self.subTest(name):
                self.send_restore(thief, "db-1", order)
                self.refused(thief, "db-1", "operators")

    def check_signatures(self, thief: ControllerClient, signed_by_anna: bytes) -> None:
        with self.subTest("a restore that a made-up operator has signed"):
            self.send_restore(thief, "db-1", self.restore_order(), self.mallory)
            self.refused(thief, "db-1", "controller")
        with self.subTest("an order that anna has signed, sent to another node"):
            thief.send_envelope("db-2", signed_by_anna)
            self.refused(thief, "db-2", "node")
        with self.subTest("an order that anna has signed, modified"):
            changed = signed_by_anna.replace(b"first", b"other")
            self.assertNotEqual(changed, signed_by_anna)
            thief.send_envelope("db-1", changed)
            self.refused(thief, "db-1", "controller")
            thief.send_envelope("db-1", thief.sign_again(changed))
            self.refused(thief, "db-1", "operators")
        with self.subTest("a root document in place of a plan"):
            thief.send_envelope("db-1", thief.root_envelope)
            self.refused(thief, "db-1", "type")

    def check_orders(self, thief: ControllerClient) -> None:
        for name, number in {"forget": _FORGET, "prune": _PRUNE, "a change of trust": _TRUST}.items():
            for order_name, check in ((name, "order"), ("backup", "decode")):
                with self.subTest(name, order_name=order_name):
                    plan = thief.plan("db-1", order_name=order_name)
                    thief.send_plan("db-1", plan, tail=field(number, self.snapshot))
                    self.refused(thief, "db-1", check)
        for name, source, repository, check in (("another source", "files/etc", "main", "source"),
                                                ("another repository", "files/app", "mine", "repository")):
            with self.subTest(name):
                thief.send_plan("db-1", thief.plan("db-1", order_name="backup", backup=backup(source, repository)))
                self.refused(thief, "db-1", check)
        with self.subTest("other paths of a source"):
            task = field(1, b"files/app") + field(2, b"main") + field(3, 1) + field(7, b"/etc")
            thief.send_plan("db-1", thief.plan("db-1", order_name="backup"), tail=field(_BACKUP, field(1, task)))
            self.refused(thief, "db-1", "decode")
        with self.subTest("another node's name"):
            thief.send_plan("db-1", thief.plan("db-2", order_name="probe", probe=plan_pb2.ProbeOrder()))
            self.refused(thief, "db-1", "node")

    def check_root_document(self, thief: ControllerClient) -> None:
        with self.subTest("a root document that the thief has signed"):
            document = payload_of(thief.root_envelope, trust_pb2.RootDocument)
            document.version += 1
            document.keys.add(role=trust_pb2.ROLE_OPERATOR, public_key=self.mallory.public, person="mallory",
                              not_before_ms=document.issued_at_ms, not_after_ms=document.expires_at_ms)
            forged = sign(ROOT, document.SerializeToString(), thief.key)
            for _ in range(2):  # the second Hello shows how the agent reacted to the answer to the first
                for node in _NODES:
                    hello = thief.ask_for_hello(node)
                    self.assertEqual(hello.root_version, 1)
                    thief.answer(hello, root=forged)
            self.send_restore(thief, "db-2", self.restore_order(), self.mallory)
            self.refused(thief, "db-2", "controller")


main("restic")
