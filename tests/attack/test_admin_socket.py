"""Other users of the controller's host try to use its admin socket: a user who shares a group with the controller, and
users who are not in the group that controller.yaml names."""

import json
import os
import stat
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from client import admin
from client.messages import admin_pb2
from lib import Case, main, wait_until
from lib.cluster import Cluster
from lib.shows import shows

_ADMINS = 4_711  # ids of two groups and a user that do not exist on this host
_OTHERS = 4_712
_USER = 4_713


@shows("a user on the controller's host", "membership",
       "outside the admin group, cannot use the admin socket, and so gets no join token")
class AdminSocket(Case):
    def setUp(self) -> None:
        super().setUp()
        if os.getuid() != 0:
            self.fail("this test changes its user, so it needs root")
        self.cluster = Cluster(self.directory)
        # Everybody may reach the socket's directory; the socket itself must be protected.
        self.directory.chmod(0o755)

    def start(self, group: str = "", groups: tuple[int, ...] = ()) -> None:
        """Starts the controller. `group` is admin.group, `groups` are the controller's supplementary groups."""
        if group:
            text = self.cluster.config.read_text().replace("admin:\n", f"admin:\n  group: {json.dumps(group)}\n")
            self.cluster.config.write_text(text)
        self.cluster.launch_controller(extra_groups=list(groups))
        wait_until("the socket", self.cluster.socket.exists)
        wait_until("the controller's answer", lambda: self.cluster.call("status", expect=None).code in (0, 1))

    def ask(self, uid: int, gid: int, *groups: int) -> str:
        """"served", or why not."""
        try:
            admin.ask(str(self.cluster.socket), user=(uid, gid, list(groups)), status=admin_pb2.StatusRequest())
        except admin.Closed:
            return "closed"
        except PermissionError:
            return "PermissionError"
        return "served"

    def mode(self) -> int:
        return stat.S_IMODE(self.cluster.socket.stat().st_mode)

    def test_without_a_group_only_root_and_the_controllers_user_are_served(self) -> None:
        self.start()

        self.assertEqual(self.mode(), 0o600)
        self.assertEqual(self.ask(0, 0), "served")
        self.assertEqual(self.ask(_USER, os.getgid()), "PermissionError")  # the controller's own group
        self.assertEqual(self.ask(_USER, _OTHERS, os.getgid()), "PermissionError")

    def test_with_a_group_its_members_are_served(self) -> None:
        self.start(str(_ADMINS))

        self.assertEqual(self.mode(), 0o660)
        self.assertEqual(self.cluster.socket.stat().st_gid, _ADMINS)
        self.assertEqual(self.ask(_USER, _ADMINS), "served")
        self.assertEqual(self.ask(_USER, _OTHERS, _ADMINS), "served")  # as one of several groups
        self.assertEqual(self.ask(_USER, _OTHERS), "PermissionError")
        self.assertEqual(self.ask(_USER, os.getgid()), "PermissionError")

    def test_a_peer_is_checked_even_if_the_socket_lets_it_in(self) -> None:
        for group in ("", str(_ADMINS)):
            with self.subTest(group=group):
                self.cluster = Cluster(self.directory / f"cluster-{group}")
                (self.directory / f"cluster-{group}").chmod(0o755)
                self.start(group)
                self.cluster.socket.chmod(0o666)
                self.assertEqual(self.ask(_USER, _OTHERS), "closed")
                self.assertEqual(self.ask(_USER, os.getgid()), "closed")
                self.assertEqual(self.ask(0, 0), "served")
                self.cluster.controller.stop()


main()
