"""A thief with all keys and files of a controller can start backups. Every agent refuses everything else, and signs a
report of each refusal."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, Restic, differences, main, scan
from lib.cluster import Cluster
from thief import Thief, audited_refusals, message_field, quoted, sent_plans

_RESTORE = 8  # ORDER_KIND_RESTORE
# Field numbers in Plan of orders that do not exist.
_FORGET, _PRUNE, _TRUST = 28, 29, 30
_BACKUP = 20


class StolenController(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        self.staged = {node: self.directory / f"{node}-staged" for node in ("db-1", "db-2")}
        self.data = {}
        self.catalog = self.directory / "controller-state" / "catalog.db"
        self.refusals = 0
        for node in self.staged:
            data = self.directory / f"{node}-data"
            data.mkdir()
            (data / "a").write_text(f"data of {node}\n")
            self.data[node] = data
            # These policies allow every restore that an operator signs.
            policy = {"restore": "in-place", "restore_roots": {"staging": str(self.staged[node])},
                      "restore_targets": {"dr": {
                          "kind": "etcd", "options": {"stage_data_dir": str(self.directory / "etcd")}, "may_set": ["member"]}}}
            self.cluster.add(node, [{"kind": "files", "name": "app", "paths": [str(data)]}], policy=policy)
        done = self.cluster.json("backup", "--all")["runs"][0]
        self.snapshot = next(one["id"] for one in done["snapshots"] if one["host"] == "db-1")

    def steal(self) -> Thief:
        """Kills the real controller and starts a thief with all its files."""
        self.cluster.controller.kill()
        thief = Thief(self.cluster)
        self.addCleanup(thief.leave)
        return thief

    def restore_order(self, directory: str, source: str = "files/app") -> str:
        return (
            f'restore {{ repository: "main" snapshot: {quoted(bytes.fromhex(self.snapshot))} source: "{source}" '
            f'staging {{ root: "staging" directory: "{directory}" }} }}'
        )

    def refused(self, thief: Thief, node: str, check: str) -> dict:
        report = thief.report_of(node)
        self.assertEqual((report["outcome"], report.get("check")), ("refused", check), report)
        self.refusals += 1
        return report

    def restic(self) -> Restic:
        return Restic(self.cluster.repository, self.cluster.password, self.directory / "cache")

    def anna_restores(self, directory: str) -> None:
        self.cluster.call(
            *("restore", "latest:files/app@db-1", "--node", "db-1", "--into", f"staging/{directory}", "--yes"),
            operator=True,
        )
        copies = list((self.staged["db-1"] / directory).rglob("a"))
        self.assertEqual([path.read_text() for path in copies], ["data of db-1\n"])

    def test_agent_refuses_a_restore_without_an_operators_signature(self) -> None:
        self.assertIn("tcp://", self.cluster.operator.read_text())
        self.anna_restores("x")

        thief = self.steal()
        thief.plan("db-1", self.restore_order("y"))
        report = self.refused(thief, "db-1", "operators")
        self.assertIn("operator", report["message"])
        self.assertFalse((self.staged["db-1"] / "y").exists())

        # With the real controller and anna's key the restore still works.
        self.cluster_comes_back(thief)
        self.anna_restores("y")

    def cluster_comes_back(self, thief: Thief) -> None:
        thief.leave()
        self.cluster.start()
        for node in self.staged:
            self.cluster.wait_for(node)

    def test_a_thief_can_start_backups_and_nothing_else(self) -> None:
        self.anna_restores("first")
        before = {one["id"] for one in self.restic().snapshots()}
        live = {node: scan(data) for node, data in self.data.items()}
        signed_by_anna = sent_plans(self.catalog, _RESTORE)
        self.assertEqual(len(signed_by_anna), 1)
        staged = list(self.staged["db-1"].rglob("*"))

        thief = self.steal()

        with self.subTest("a backup is made"):
            thief.plan("db-1", 'backup { tasks { source: "files/app" repository: "main" data: true compose: true } }')
            self.assertEqual(thief.report_of("db-1")["outcome"], "composed")
        for name, order in {
            "a restore": self.restore_order("y"),
            "a restore of what another node had": self.restore_order("y", "files/other"),
            "a restore outside of the restore roots": self.restore_order("../../etc"),
            "a restore in place": self.restore_order("y").replace('staging { root: "staging" directory: "y" }', "in_place {}"),
            "a restore to a target": self.restore_order("y", "etcd/main").replace(
                'staging { root: "staging" directory: "y" }', 'named { name: "dr" }'),
        }.items():
            with self.subTest(name):
                thief.plan("db-1", order)
                self.refused(thief, "db-1", "operators")
        with self.subTest("a restore that a made-up operator has signed"):
            thief.plan("db-1", self.restore_order("y"), signers="controller+operator")
            self.refused(thief, "db-1", "controller")
        with self.subTest("what anna has signed, for another node"):
            thief.send("db-2", signed_by_anna[0])
            self.refused(thief, "db-2", "node")
        with self.subTest("what anna has signed, with other words in it"):
            spoiled = signed_by_anna[0].replace(b"first", b"other")
            self.assertNotEqual(spoiled, signed_by_anna[0])
            thief.send("db-1", spoiled)
            self.refused(thief, "db-1", "controller")
            thief.graft("db-1", spoiled)
            self.refused(thief, "db-1", "operators")
        for name, field in {"forget": _FORGET, "prune": _PRUNE, "a change of trust": _TRUST}.items():
            with self.subTest(name):
                extra = message_field(field, bytes.fromhex(self.snapshot))
                thief.plan("db-1", f'order_name: "{name}"', extra=extra)
                self.refused(thief, "db-1", "order")
                thief.plan("db-1", 'order_name: "backup"', extra=extra)
                self.refused(thief, "db-1", "decode")
        with self.subTest("a root document in place of a plan"):
            thief.send("db-1", (self.cluster.config.parent / "root.holdfast").read_bytes())
            self.refused(thief, "db-1", "type")
        with self.subTest("another source"):
            thief.plan("db-1", 'backup { tasks { source: "files/etc" repository: "main" data: true compose: true } }')
            self.refused(thief, "db-1", "source")
        with self.subTest("another repository"):
            thief.plan("db-1", 'backup { tasks { source: "files/app" repository: "mine" data: true compose: true } }')
            self.refused(thief, "db-1", "repository")
        with self.subTest("other paths of a source"):
            task = message_field(1, b"files/app") + message_field(2, b"main") + "1801" + message_field(7, b"/etc")
            extra = message_field(_BACKUP, bytes.fromhex(message_field(1, bytes.fromhex(task))))
            thief.plan("db-1", 'order_name: "backup"', extra=extra)
            self.refused(thief, "db-1", "decode")
        with self.subTest("another node's name"):
            thief.plan("db-1", 'node: "db-2" probe {}')
            self.refused(thief, "db-1", "node")
        with self.subTest("a root document that the thief has signed"):
            for _ in range(2):  # the second Hello shows how the agent reacted to the answer to the first
                thief.forge_root()
                for node in self.staged:
                    self.assertEqual(thief.hello_of(node)["root_version"], 1)
            thief.plan("db-2", self.restore_order("y"), signers="controller+operator")
            self.refused(thief, "db-2", "controller")
        with self.subTest("what anna has signed, once more"):
            # The agent knows this plan and does not repeat it; it answers the next plan.
            for path in (self.staged["db-1"] / "first").rglob("a"):
                path.unlink()
            staged = [path for path in staged if path.name != "a"]
            thief.send("db-1", signed_by_anna[0])
            thief.plan("db-1", self.restore_order("y"))
            self.refused(thief, "db-1", "operators")

        self.assertEqual(list(self.staged["db-1"].rglob("*")), staged)
        self.assertFalse(self.staged["db-2"].exists())
        for node, data in self.data.items():
            self.assertEqual(differences(live[node], scan(data)), [])
        after = {one["id"] for one in self.restic().snapshots()}
        self.assertLessEqual(before, after)
        self.assertEqual(len(after - before), 1)
        self.restic().check()
        # The nodes need not join again.
        self.cluster_comes_back(thief)
        self.assertEqual(self.cluster.json("backup", "--all")["runs"][0]["state"], "done")
        # The agents have reported the refused plans to the real controller.
        self.assertEqual(audited_refusals(self.catalog), self.refusals)


main("restic")
