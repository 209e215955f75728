"""Users who may connect to the admin socket try to do more than controller.yaml grants them. Everyone who may connect
can read and start backups. Joins, copies of the catalog, and changes of trust each need a right."""

import json
import os
import pwd
import stat
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from client import admin, trust_pb2
from client.messages import admin_pb2
from lib import Case, main, wait_until
from lib.cluster import Cluster, program
from lib.processes import Process
from lib.shows import shows

_ADMINS = 4_711  # ids of two groups and two users that do not exist on this host
_OTHERS = 4_712
_USER = 4_713
_OTHER_USER = 4_714

# Requests by the right that they need.
_REQUESTS = {
    "read": [{"status": admin_pb2.StatusRequest()}, {"agent_list": admin_pb2.AgentListRequest()},
             {"run_list": admin_pb2.RunListRequest()}, {"snapshot_list": admin_pb2.SnapshotListRequest()},
             {"approval_list": admin_pb2.ApprovalListRequest()}, {"trust_show": admin_pb2.TrustShowRequest()},
             {"catalog_check": admin_pb2.CatalogCheckRequest()}],
    "backups": [{"run": admin_pb2.RunRequest(kind=trust_pb2.ORDER_KIND_BACKUP)},
                {"run_cancel": admin_pb2.RunCancelRequest(run="01HF")},
                {"catalog_rebuild": admin_pb2.CatalogRebuildRequest()}],
    "agents": [{"token": admin_pb2.TokenRequest(node="db-1")}, {"revoke": admin_pb2.RevokeRequest(node="db-1")}],
    "catalog": [{"catalog_save": admin_pb2.CatalogSaveRequest(path="copy.db")}],
    "trust": [{"restore": admin_pb2.RestoreRequest(snapshot="abcd", node="db-1")},
              {"approve": admin_pb2.ApproveRequest(draft="01HF")}, {"deny": admin_pb2.DenyRequest(draft="01HF")},
              {"trust_change": admin_pb2.TrustChangeRequest(root=b"root")}],
}


@shows("a user on the controller's host", "the catalog and the audit log",
       "has only the rights that controller.yaml grants; copies of the catalog are saved only in one directory")
class AdminRights(Case):
    def setUp(self) -> None:
        super().setUp()
        if os.getuid() != 0:
            self.fail("this test changes its user, so it needs root")
        self.cluster = Cluster(self.directory)
        self.copies = self.directory / "controller-state" / "copies"
        # Everyone may reach the socket's directory; the socket itself must be protected.
        self.directory.chmod(0o755)
        text = self.cluster.config.read_text()
        self.cluster.config.write_text(text.replace("admin:\n", f'admin:\n  group: "{_ADMINS}"\n'))

    def configure(self, rights: dict[str, list[str]]) -> None:
        lines = self.cluster.config.read_text().splitlines()
        if "  rights:" in " ".join(lines):
            first = next(number for number, line in enumerate(lines) if line.startswith("  rights:"))
            while first + 1 < len(lines) and lines[first + 1].startswith("    "):
                lines.pop(first + 1)
            lines[first] = f"  rights: {json.dumps(rights)}"
        self.cluster.config.write_text("\n".join(lines) + "\n")

    def start(self, **rights: list[str]) -> None:
        """Starts the controller with these rights."""
        self.configure(rights)
        if self.cluster.controller is not None:
            self.cluster.controller.stop()
        self.cluster.launch_controller()
        wait_until("the socket", self.cluster.socket.exists)
        wait_until("the controller's answer", lambda: self.cluster.call("status", expect=None).code in (0, 1))

    def ask(self, request: dict, uid: int = _USER, gid: int = _ADMINS, *groups: int):
        user = None if uid == 0 else (uid, gid, list(groups))
        return admin.ask(str(self.cluster.socket), user=user, **request)

    def denied(self, right: str, *user: int) -> list[bool]:
        """For each request that needs this right: whether the right is missing."""
        answers = []
        for request in _REQUESTS[right]:
            error = self.ask(request, *user).error
            is_denied = error.code == "denied" and f'the right "{right}"' in error.message
            if is_denied:
                self.assertIn(f"{right}: [", error.hint)
                self.assertIn(str(self.cluster.config), error.hint)
            answers.append(is_denied)
        return answers

    def assert_rights(self, expected: set[str], *user: int) -> None:
        for right in _REQUESTS:
            with self.subTest(right=right, user=user):
                answers = self.denied(right, *user)
                self.assertEqual(answers, [right not in expected] * len(answers))

    def test_a_member_of_the_group_reads_and_starts_backups_only(self) -> None:
        self.start()

        self.assert_rights({"read", "backups"})
        self.assert_rights({"read", "backups"}, _OTHER_USER, _OTHERS, _ADMINS)
        self.assert_rights(set(_REQUESTS), 0)
        self.assertEqual(self.cluster.json("agent", "list")["agents"], [])
        self.assertEqual([path.name for path in self.copies.glob("*")], ["copy.db"])  # root's

    def test_rights_are_granted_to_users_and_groups_one_by_one(self) -> None:
        daemon = pwd.getpwnam("daemon")
        for right in ("agents", "catalog", "trust"):
            for holder, has, has_not in (
                (f"user:{_USER}", (_USER, _ADMINS), (_OTHER_USER, _ADMINS, _USER)),
                (f"group:{_OTHERS}", (_USER, _ADMINS, _OTHERS), (_USER, _ADMINS)),
                ("user:daemon", (daemon.pw_uid, _ADMINS), (_USER, _ADMINS, daemon.pw_gid)),
                ("group:daemon", (_USER, _ADMINS, daemon.pw_gid), (daemon.pw_uid, _ADMINS)),
                ("operator:anna", (0, 0), (_USER, _ADMINS)),
            ):
                with self.subTest(right=right, holder=holder):
                    self.start(**{right: [holder]})
                    self.assert_rights({"read", "backups", right} if has[0] else set(_REQUESTS), *has)
                    self.assert_rights({"read", "backups"}, *has_not)
                    for path in self.copies.glob("*"):
                        path.unlink()

    def test_the_right_to_cancel_backups_does_not_permit_cancelling_restores(self) -> None:
        self.start(agents=["operator:anna"], trust=["operator:anna"])
        data = self.directory / "data"
        data.mkdir()
        (data / "a").write_text("data\n")
        policy = {"restore": "staging", "restore_roots": {"staging": str(self.directory / "staged")}}
        self.cluster.add("db-1", [{"kind": "files", "name": "app", "paths": [str(data)]}], policy=policy)
        self.cluster.call("backup", "--all")
        self.cluster.agents["db-1"].stop()  # so the restore waits
        restore = Process([program("holdfast"), "restore", "latest:files/app@db-1", "--node", "db-1", "--into", "staging/x",
                           "--yes", "--config", str(self.cluster.operator)], self.directory / "restore.log",
                          env={"HOME": str(self.directory)})
        self.addCleanup(restore.kill)
        run = wait_until("the restore", lambda: next(
            (one["run"] for one in self.cluster.json("run", "list")["runs"] if one["kind"] == "restore"), None))
        cancel = {"run_cancel": admin_pb2.RunCancelRequest(run=run)}

        error = self.ask(cancel).error
        self.assertEqual(error.code, "denied")
        self.assertIn('the right "trust"', error.message)
        self.assertFalse(self.cluster.run_of(run)["ended"])
        self.assertFalse(self.ask(cancel, 0).HasField("error"))
        self.assertEqual(self.cluster.wait_for_end(run)["state"], "cancelled")

    def test_the_right_to_start_backups_can_be_restricted(self) -> None:
        self.start(backups=[f"user:{_USER}"])

        self.assert_rights({"read", "backups"})
        self.assert_rights({"read"}, _OTHER_USER, _ADMINS)

    def test_an_operator_on_another_host_needs_the_rights_too(self) -> None:
        self.start(agents=["operator:anna"])
        done = self.cluster.call("agent", "token", "db-1", operator=True)
        self.assertIn("hf1.", done.stdout)

        self.start(agents=[], backups=[])
        for arguments in (("agent", "token", "db-1"), ("agent", "revoke", "db-1", "--yes"),
                          ("catalog", "backup", "copy.db"), ("backup", "--all")):
            with self.subTest(arguments):
                done = self.cluster.call(*arguments, operator=True, expect=None)
                if arguments[1] == "revoke":  # the CLI refuses first: no such node exists
                    continue
                self.assertEqual(done.code, 4, done.stderr)
                self.assertIn("the right", done.stderr)
                command = " ".join(word for word in arguments[:2] if word.isalpha())
                self.assertIn(f"`holdfast {command}` needs", " ".join(done.stderr.split()))
                self.assertIn('"operator:anna"', done.stderr)

    def test_invalid_rights_are_refused_with_file_and_line(self) -> None:
        for rights, message in (
            ({"agents": ["anna"]}, "user:NAME"),
            ({"agents": ["user:"]}, "user:NAME"),
            ({"agents": ["user:no-such-user"]}, "no-such-user"),
            ({"trust": ["group:no-such-group"]}, "no-such-group"),
            ({"trust": ["operator:ben"]}, "ben"),
            ({"everything": ["user:root"]}, "everything"),
        ):
            with self.subTest(rights):
                self.configure(rights)
                controller = self.cluster.launch_controller()
                self.assertEqual(controller.wait(), 2, controller.tail())
                self.assertRegex(controller.tail(), rf"{self.cluster.config}:\d+:\d+: .*{message}")

    def test_copies_are_saved_only_in_their_directory(self) -> None:
        self.start(catalog=[f"user:{_USER}"])
        outside = self.directory / "outside"
        outside.mkdir()
        self.copies.mkdir(mode=0o700)
        (self.copies / "directory").mkdir()
        (self.copies / "link").symlink_to(outside / "linked.db")
        (self.copies / "out").symlink_to(outside)
        for name in (str(outside / "x"), "/etc/x", "../x", "a/../../x", "directory/x", "out/x", ".", "..", "",
                     ".hidden", "link", "directory", "out", "x" * 300, "x\0y", f"{self.copies}/../x",
                     str(self.copies), f"{self.copies}/", f"file:{outside}/x"):
            with self.subTest(name):
                reply = self.ask({"catalog_save": admin_pb2.CatalogSaveRequest(path=name)})
                self.assertTrue(reply.HasField("error"), reply)
        self.assertEqual(list(outside.iterdir()), [])
        self.assertEqual(len(list(self.copies.iterdir())), 3)
        self.assertFalse((self.directory / "controller-state" / "x").exists())

        for name in ("copy.db", f"{self.copies}/other.db"):
            reply = self.ask({"catalog_save": admin_pb2.CatalogSaveRequest(path=name)})
            self.assertTrue(reply.catalog.sound, reply)
            made = self.copies / Path(name).name
            self.assertEqual(stat.S_IMODE(made.stat().st_mode), 0o600)
            before = made.read_bytes()
            again = self.ask({"catalog_save": admin_pb2.CatalogSaveRequest(path=name)})
            self.assertEqual(again.error.code, "already_exists")
            self.assertEqual(made.read_bytes(), before)

    def test_no_copy_is_saved_where_others_can_change_it(self) -> None:
        self.start()
        for name, prepare in {
            "others can write": lambda: (self.copies.mkdir(), self.copies.chmod(0o777)),
            "of another user": lambda: (self.copies.mkdir(), os.chown(self.copies, _USER, _ADMINS)),
            "a symlink": lambda: (self.directory / "real").mkdir() or self.copies.symlink_to(self.directory / "real"),
        }.items():
            with self.subTest(name):
                prepare()
                reply = self.ask({"catalog_save": admin_pb2.CatalogSaveRequest(path="copy.db")}, 0)
                self.assertTrue(reply.HasField("error"), reply)
                self.assertEqual(list(self.copies.iterdir()), [])
                self.copies.unlink() if self.copies.is_symlink() else self.copies.rmdir()

    def test_only_copies_are_compared(self) -> None:
        self.start()
        self.assertTrue(self.ask({"catalog_save": admin_pb2.CatalogSaveRequest(path="copy.db")}, 0).catalog.sound)
        other = self.directory / "other.db"
        other.write_bytes((self.copies / "copy.db").read_bytes())
        (self.copies / "link").symlink_to(other)
        for against in (str(other), "../../other.db", "link", "/etc/passwd", "missing.db"):
            with self.subTest(against):
                reply = self.ask({"catalog_check": admin_pb2.CatalogCheckRequest(against=against)})
                self.assertTrue(reply.HasField("error"), reply)
        self.assertTrue(self.ask({"catalog_check": admin_pb2.CatalogCheckRequest(against="copy.db")}).catalog.sound)


main()
