"""A controller as agents see it, with the keys of a real one."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from google.protobuf.message import Message

from . import sockets
from .envelope import FRESH, PLAN, REPORT, SigningKey, open_envelope, sign
from .messages import agent_pb2, plan_pb2, trust_pb2


class ControllerClient:
    """Listens in place of a stopped controller. `directory` has that controller's keys, `endpoint` is the endpoint of
    its bus, `agents` maps nodes to public signing keys."""

    def __init__(self, directory: Path, endpoint: str, agents: dict[str, bytes]):
        self.key = SigningKey(directory / "controller.key")
        self._agents = agents
        self.root_envelope = (directory / "root.holdfast").read_bytes()
        self.root = trust_pb2.RootDocument.FromString(trust_pb2.Envelope.FromString(self.root_envelope).payload)
        secret = (directory / "bus.curve").read_bytes().strip()
        self._socket = sockets.listen(re.sub(r"//[^:]+:", "//127.0.0.1:", endpoint), secret)
        self._routes: dict[str, bytes] = {}
        self._taken: dict[str, int] = {}
        self._sequence = int(1000 * time.time()) + 3_600_000  # above all sequences of the real controller

    @classmethod
    def in_place_of(cls, cluster) -> "ControllerClient":
        """Kills the controller of a lib.cluster.Cluster and listens in its place, with its keys."""
        states = {node: cluster.directory / node / "agent" / "state" / "identity" for node in cluster.agents}
        endpoint = next((state / "node").read_text().splitlines()[2] for state in states.values())
        cluster.controller.kill()
        return cls(cluster.config.parent, endpoint,
                   {node: SigningKey(state / "agent.key").public for node, state in states.items()})

    def close(self) -> None:
        self._socket.close()

    def hello_of(self, node: str, *, seconds: float = 60) -> Message:
        """Waits for the node's next Hello and does not answer it."""
        deadline = sockets.Deadline(seconds)
        while True:
            sender, message = self._receive(deadline, f"a Hello from {node}")
            if message.HasField("hello") and message.hello.node == node:
                self._routes[node] = sender
                return message.hello

    def answer(self, hello: Message, *, root: bytes = b"", change: Callable[[Message], None] | None = None,
               change_fresh: Callable[[Message], None] | None = None) -> None:
        """Answers a Hello, so that the session begins."""
        now_ms = int(1000 * time.time())
        fresh = trust_pb2.Fresh(
            cluster_id=self.root.cluster_id, node=hello.node, incarnation=hello.incarnation, nonce=hello.nonce,
            now_ms=now_ms, expires_at_ms=now_ms + 3_600_000, controller_epoch=self.root.epoch,
            root_version=self.root.version, latest_sequence=self._sequence)
        if change_fresh is not None:
            change_fresh(fresh)
        answer = agent_pb2.HelloAnswer(fresh=sign(FRESH, fresh.SerializeToString(), self.key), root=root,
                                       heartbeat_ms=1000, lease_ms=60_000, report_sequence=hello.report_sequence)
        if change is not None:
            change(answer)
        self._taken[hello.node] = hello.report_sequence
        self.send(hello.node, agent_pb2.ControllerMessage(hello_answer=answer))

    def send(self, node: str, message: Message) -> None:
        self._socket.send_multipart([self._routes[node], message.SerializeToString()])

    def plan(self, node: str, incarnation: int = 1, **order: Message) -> Message:
        """A valid plan, to be modified and sent."""
        now_ms = int(1000 * time.time())
        self._sequence += 1
        return plan_pb2.Plan(
            plan_id=os.urandom(16), cluster_id=self.root.cluster_id, node=node, incarnation=incarnation,
            sequence=self._sequence, issued_at_ms=now_ms, not_before_ms=now_ms, expires_at_ms=now_ms + 600_000,
            controller_epoch=self.root.epoch, run="01HF7777777777777777777777", requester="test", **order)

    def send_plan(self, node: str, plan: Message, *keys: SigningKey, tail: bytes = b"") -> None:
        """Signs a plan with the controller's key and `keys`, and sends it. `tail` is appended to the plan's bytes."""
        self.send_envelope(node, sign(PLAN, plan.SerializeToString() + tail, self.key, *keys))

    def send_envelope(self, node: str, envelope: bytes) -> None:
        self.send(node, agent_pb2.ControllerMessage(plans=agent_pb2.Plans(envelopes=[envelope])))

    def sign_again(self, envelope: bytes) -> bytes:
        """The envelope of a plan with a new signature of the controller. Other signatures stay as they are."""
        message = trust_pb2.Envelope.FromString(envelope)
        for one in message.signatures:
            if one.key_id == self.key.id:
                one.signature = self.key.sign(PLAN, message.payload)
        return message.SerializeToString()

    def ask_for_hello(self, node: str) -> Message:
        """Asks a node with a session for a Hello, and returns it."""
        self.send(node, agent_pb2.ControllerMessage(heartbeat_answer=agent_pb2.HeartbeatAnswer(say_hello=True)))
        return self.hello_of(node)

    def report_of(self, node: str, *, seconds: float = 60) -> Message:
        """The node's next report other than `accepted`. Verifies and confirms each report that arrives."""
        deadline = sockets.Deadline(seconds)
        while True:
            _, message = self._receive(deadline, f"a report from {node}")
            for envelope in message.reports.envelopes:
                report = plan_pb2.Report.FromString(open_envelope(REPORT, envelope, self._agents[node]))
                if report.node != node or report.report_sequence <= self._taken[node]:
                    continue
                self._taken[node] = report.report_sequence
                taken = agent_pb2.ReportsTaken(report_sequence=report.report_sequence)
                self.send(node, agent_pb2.ControllerMessage(reports_taken=taken))
                if report.WhichOneof("outcome") != "accepted":
                    return report

    def _receive(self, deadline: sockets.Deadline, what: str) -> tuple[bytes, Message]:
        sender, frame = sockets.receive(self._socket, deadline.left, what)
        message = agent_pb2.AgentMessage.FromString(frame)
        if message.HasField("heartbeat"):
            answer = agent_pb2.ControllerMessage(heartbeat_answer=agent_pb2.HeartbeatAnswer())
            self._socket.send_multipart([sender, answer.SerializeToString()])
        return sender, message
