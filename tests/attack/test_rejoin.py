"""An attacker who may create join tokens, but has no operator's key, tries to join in the place of a node."""

import hashlib
import os
import shutil
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from client import PLAN, REJOIN, SigningKey, add_unknown, admin, join, read_token, sign, token_text, trust_pb2
from client.conversation import payload_of
from client.messages import admin_pb2
from lib import Agent, Case, main
from lib.cluster import Cluster
from lib.shows import shows


class JoinedNode(Case):
    """The node db-1 has joined, and its agent has a session."""

    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        made = self.cluster.config.parent
        self.root = payload_of((made / "root.holdfast").read_bytes(), trust_pb2.RootDocument)
        self.anna = SigningKey(self.cluster.operator.parent / "operator.key")
        self.agent = self.joined(self.cluster.call("agent", "token", "db-1", operator=True).stdout)
        self.agent.hello()

    def joined(self, token: str):
        agent = join(token)
        self.assertNotIsInstance(agent, str, agent)
        self.addCleanup(agent.close)
        return agent

    def assert_not_replaced(self) -> None:
        """The node's agent still has its session."""
        self.agent.hello()
        self.assertEqual(self.cluster.state_of("db-1")["incarnation"], 1)


@shows("a user on the controller's host", "membership",
       "cannot replace a node's agent without an operator's signature, even with the right to create tokens")
class Rejoin(JoinedNode):
    def token(self, node: str = "db-1"):
        """A new token from the controller, without an operator's signature."""
        request = admin_pb2.TokenRequest(node=node)
        add_unknown(request, 2, 1)  # rejoin
        reply = admin.ask(str(self.cluster.socket), token=request)
        self.assertTrue(reply.HasField("token"), reply)
        return read_token(reply.token.token)

    def permit(self, token, key: SigningKey | None = None, kind: str | None = None, **fields) -> bytes:
        permit = trust_pb2.RejoinPermit(
            **{"cluster_id": self.root.cluster_id, "node": token.node, "incarnation": 1,
               "secret_hash": hashlib.sha256(token.secret).digest(), "expires_at_ms": token.expires_at_ms} | fields)
        return sign(kind or REJOIN, permit.SerializeToString(), key or self.anna)

    def joined_with(self, token, permit: bytes):
        """The agent, or the controller's refusal message."""
        token.permit = permit
        return join(token_text(token))

    def test_a_token_alone_does_not_replace_a_node(self) -> None:
        refused = join(token_text(self.token()))

        self.assertIsInstance(refused, str)
        self.assertIn("holdfast agent token db-1 --rejoin", refused)
        self.assert_not_replaced()

    def test_a_token_alone_does_not_replace_a_revoked_node(self) -> None:
        self.cluster.call("agent", "revoke", "db-1", "--yes")

        refused = join(token_text(self.token()))

        self.assertIsInstance(refused, str)
        self.assertIn("--rejoin", refused)

    def test_a_forged_permit_does_not_replace_a_node(self) -> None:
        made = self.cluster.config.parent
        token = self.token()
        for name, permit in {
            "by a stranger": self.permit(token, SigningKey()),
            "by the controller": self.permit(token, SigningKey(made / "controller.key")),
            "by a root key": self.permit(token, SigningKey(self.cluster.root_key)),
            "of another type": self.permit(token, kind=PLAN),
            "for another cluster": self.permit(token, cluster_id="01HF7777777777777777777777"),
            "for another node": self.permit(token, node="db-2"),
            "for a later incarnation": self.permit(token, incarnation=2),
            "for no incarnation": self.permit(token, incarnation=0),
            "for another token": self.permit(token, secret_hash=bytes(32)),
            "for no token": self.permit(token, secret_hash=b""),
            "expired": self.permit(token, expires_at_ms=int(1000 * time.time()) - 1),
            "not an envelope": b"permit",
            "with changed bytes": self.permit(token).replace(b"db-1", b"db-2"),
        }.items():
            with self.subTest(name):
                self.assertIsInstance(self.joined_with(token, permit), str)
                self.assert_not_replaced()

        # The token was not used up, so the right permit is accepted.
        agent = self.joined_with(token, self.permit(token))
        self.assertNotIsInstance(agent, str, agent)
        agent.close()
        self.assertEqual(self.cluster.state_of("db-1")["incarnation"], 2)

    def test_a_permit_is_valid_once(self) -> None:
        token = self.token()
        permit = self.permit(token)
        agent = self.joined_with(token, permit)
        self.assertNotIsInstance(agent, str, agent)
        agent.close()

        self.assertIsInstance(self.joined_with(token, permit), str)
        self.assertIsInstance(self.joined_with(self.token(), permit), str)
        # A permit for the former incarnation is refused, even if it belongs to the token.
        again = self.token()
        self.assertIsInstance(self.joined_with(again, self.permit(again)), str)
        self.assertEqual(self.cluster.state_of("db-1")["incarnation"], 2)

    def test_a_permit_of_a_removed_operator_is_refused(self) -> None:
        token = self.token()
        permit = self.permit(token)
        document = self.root
        document.version += 1
        ben = SigningKey()
        operator = next(key for key in document.keys if key.role == trust_pb2.ROLE_OPERATOR)
        operator.public_key = ben.public
        proposal = self.directory / "proposal"
        proposal.write_bytes(sign("application/vnd.holdfast.root.v1", document.SerializeToString(),
                                  SigningKey(self.cluster.root_key)))
        self.cluster.call("trust", "rotate", "--file", str(proposal), "--send", "--yes", operator=True)

        self.assertIsInstance(self.joined_with(token, permit), str)
        self.assert_not_replaced()
        agent = self.joined_with(token, self.permit(token, ben))
        self.assertNotIsInstance(agent, str, agent)
        agent.close()

    def test_the_cli_signs_the_permit(self) -> None:
        done = self.cluster.call("agent", "token", "db-1", operator=True, expect=None)
        self.assertNotEqual(done.code, 0)
        self.assertIn("holdfast agent token db-1 --rejoin", done.stderr)

        done = self.cluster.call("agent", "token", "db-1", "--rejoin", "--yes", operator=True)
        self.assertRegex(done.stderr, r"incarnation 1\b")
        self.joined(done.stdout)
        self.assertEqual(self.cluster.state_of("db-1")["incarnation"], 2)

        done = self.cluster.call("agent", "token", "db-9", "--rejoin", "--yes", operator=True, expect=None)
        self.assertNotEqual(done.code, 0)
        self.assertIn("db-9", done.stderr)


@unittest.skipUnless(os.geteuid() == 0, "needs root, to run the agent as another user")
class RejoinAsUser(JoinedNode):
    """An unprivileged user runs the agent's program, to join as a node that has an agent already."""

    def setUp(self) -> None:
        super().setUp()
        self.directory.chmod(0o755)
        self.cluster.write_config("db-1", [{"kind": "files", "name": "app", "paths": ["/etc/hosts"]}])
        self.node = Agent(self.directory / "db-1" / "agent" / "agent.yaml", user="nobody")
        token = self.directory / "token"
        token.write_text(self.cluster.call("agent", "token", "db-1", "--rejoin", "--yes", operator=True).stdout)
        self.join = ("join", "--token-file", str(token))

    def test_a_node_that_cannot_store_its_keys_does_not_use_the_token(self) -> None:
        done = self.node.run(*self.join, expect=None)

        self.assertEqual(done.code, 4, done)
        self.assertIn("as root: holdfast-agent join", done.stderr)
        self.assert_not_replaced()
        Agent(self.node.config).run(*self.join)
        self.assertEqual(self.cluster.state_of("db-1")["incarnation"], 2)

        # Only root and the agent's user may read these keys.
        done = self.node.run("trust", "pin", "/etc/hosts", expect=None)
        self.assertNotEqual(done.code, 0)
        self.assertIn("run it as root or as the agent's user", done.stderr)

    def test_join_warns_a_user_that_the_restore_helper_has_not_joined(self) -> None:
        Agent(self.node.config).run("restore-helper", "--prepare")
        (self.node.config.parent / "state").mkdir()
        shutil.chown(self.node.config.parent / "state", "nobody")

        done = self.node.run(*self.join)

        said = " ".join(done.stdout.split())
        self.assertIn("restore helper has not joined", said)
        self.assertIn("holdfast agent token db-1 --rejoin", said)
        self.assertIn("run as root: holdfast-agent join", said)

        # Root stores the agent's keys with the rights of the agent's user.
        token = self.cluster.call("agent", "token", "db-1", "--rejoin", "--yes", operator=True).stdout
        done = Agent(self.node.config).run("join", "--token-file", "-", input=token)
        self.assertNotIn("warnings", done.stdout)
        identity = self.node.config.parent / "state" / "identity"
        self.assertEqual({path.owner() for path in (identity, *identity.rglob("*"))}, {"nobody"})


main()
