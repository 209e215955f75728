"""Sends random messages to the three sockets of a controller: well-formed ones with any content, and bytes that are not
a message. The controller must keep serving operators.

    test_random_messages.py ROUNDS SEED [unittest's arguments]"""

import collections
import contextlib
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
import zmq
import zmq.utils.z85 as z85
from client import ORDERS, AgentClient, agent_pb2, join, plan_pb2, read_token, sockets, token_text
from client.messages import admin_pb2
from client.random_message import RandomMessages
from lib import Case, main
from lib.cluster import Cluster
from lib.shows import shows

ROUNDS = int(sys.argv.pop(1))
SEED = int(sys.argv.pop(1))
_ADMIN_REQUESTS = [field.name for field in admin_pb2.AdminRequest.DESCRIPTOR.fields if field.name != "id"]
_OUTCOMES = [field.name for field in plan_pb2.Report.DESCRIPTOR.oneofs_by_name["outcome"].fields]
_MESSAGES = [field.name for field in agent_pb2.AgentMessage.DESCRIPTOR.oneofs_by_name["message"].fields]


@shows("the network", "the controller's availability",
       "cannot stop the controller with random messages on any of its three sockets")
class RandomInput(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        self.random = RandomMessages(SEED)
        self.counts: collections.Counter = collections.Counter()

    def tearDown(self) -> None:
        print(f"seed {SEED}: {dict(self.counts.most_common(8))}", file=sys.stderr)
        super().tearDown()

    def agent(self, node: str = "db-1") -> AgentClient:
        agent = join(self.cluster.call("agent", "token", node, operator=True).stdout)
        self.addCleanup(agent.close)
        self.greet(agent)
        return agent

    def greet(self, agent: AgentClient) -> None:
        agent.hello(("files/app", "main", "local"), ("etcd/main", "main", "replicated"), capabilities=ORDERS)

    def assert_alive(self, what: str, message) -> None:
        if not self.cluster.controller.is_running():
            self.fail(f"the controller ended after {what} {str(message)[:2000]}\n{self.cluster.controller.tail()}")

    def assert_serves(self) -> None:
        self.assertEqual(self.cluster.status()["cluster"], "prod")

    def ask(self, connection: socket.socket, data: bytes) -> str:
        """Sends a request and returns the kind of the reply, "closed", or "silent"."""
        try:
            connection.sendall(len(data).to_bytes(4, "big") + data)
            stream = connection.makefile("rb")
            head = stream.read(4)
            if len(head) < 4:
                return "closed"
            reply = admin_pb2.AdminReply.FromString(stream.read(int.from_bytes(head, "big")))
            return reply.error.code or reply.WhichOneof("reply")
        except TimeoutError:
            return "silent"
        except ConnectionError:
            return "closed"

    def test_the_admin_socket(self) -> None:
        self.agent()
        with contextlib.ExitStack() as stack:
            connection = None
            for _ in range(ROUNDS):
                if connection is None:
                    connection = stack.enter_context(socket.socket(socket.AF_UNIX))
                    connection.settimeout(10)
                    connection.connect(str(self.cluster.socket))
                request = admin_pb2.AdminRequest(id=self.random.choice((1, 2, (1 << 64) - 1)))
                kind = self.random.choice(_ADMIN_REQUESTS)
                getattr(request, kind).SetInParent()
                self.random.fill(getattr(request, kind))
                data = self.random.garbage(200) if self.random.is_lucky(0.1) else request.SerializeToString()
                answer = self.ask(connection, data)
                self.counts[answer] += 1
                self.assert_alive(kind, request)
                if answer in ("closed", "silent"):
                    connection = None
        self.assert_serves()

    def test_the_bus(self) -> None:
        agent = self.agent()
        plans = self.plans(agent)
        self.random.known = {"plan_id": [plan.plan_id for plan in plans], "node": ["db-1"], "incarnation": [1],
                             "state": [3, 4, 5]}
        for number in range(ROUNDS):
            message = agent_pb2.AgentMessage()
            kind = self.random.choice(_MESSAGES)
            if kind == "reports":
                report = plan_pb2.Report()
                outcome = self.random.choice(_OUTCOMES)
                getattr(report, outcome).SetInParent()
                self.random.fill(getattr(report, outcome))
                fields = {outcome: getattr(report, outcome), "source": self.random.choice(("", "files/app", "x\n")),
                          "repository": self.random.choice(("", "main", "\u202e"))}
                agent.report(self.random.choice(plans), tail=self.tail(), **fields)
            else:
                getattr(message, kind).SetInParent()
                self.random.fill(getattr(message, kind))
                agent.send_bytes(self.random.garbage(200) if self.random.is_lucky(0.1) else message.SerializeToString())
            self.counts[kind] += 1
            if number % 20 == 19:
                # Its answer comes after everything before it.
                self.greet(agent)
                self.assert_alive(kind, message)
        self.greet(agent)
        self.assertEqual(agent.taken, agent.sequence, "a report has blocked the chain")
        self.assert_serves()

    def tail(self) -> bytes:
        return b"\xc2\x3e\x01?" if self.random.is_lucky(0.1) else b""

    def plans(self, agent: AgentClient) -> list:
        """One plan of each kind of run."""
        for words in (("backup", "files/app@db-1"), ("backup", "etcd/main"), ("check", "--repository", "main"),
                      ("catalog", "rebuild")):
            self.cluster.call(*words, "--no-wait", expect=None)
        deadline = time.monotonic() + 30
        while len(agent.plans) < 4 and time.monotonic() < deadline:
            agent.receive("plans")
        return list(agent.plans)

    def test_the_join_socket(self) -> None:
        token = read_token(self.cluster.call("agent", "token", "db-1", operator=True).stdout)
        # Each connection may send one message, and the socket admits 50 per second.
        for _ in range(min(ROUNDS, 1000)):
            public, secret = sockets.new_keys()
            request = self.random.fill(agent_pb2.JoinRequest(), 3_000)
            if self.random.is_lucky(0.7):
                request.curve_key = z85.decode(public)
                request.node = "db-1"
            data = self.random.garbage(4_000) if self.random.is_lucky(0.2) else request.SerializeToString()
            peer = sockets.dial(token.endpoint, z85.encode(token.server_key), secret)
            peer.send(data)
            self.counts["answered" if peer.poll(50, zmq.POLLIN) else "not answered"] += 1
            peer.close()
            self.assert_alive("a join request", request)
        self.assert_serves()
        # The token was not used up.
        agent = join(token_text(token))
        self.assertIsInstance(agent, AgentClient, agent)
        agent.close()


main()
