"""An agent as the controller sees it."""

import base64
import hashlib
import hmac
import os
import time
from collections import deque
from collections.abc import Callable

import zmq.utils.z85 as z85
from google.protobuf.message import Message

from . import sockets
from .envelope import REPORT, SigningKey, sign
from .messages import agent_pb2, plan_pb2, trust_pb2


# Orders that every agent of this version supports.
ORDERS = ["backup", "cut", "compose", "end", "probe", "verify", "inventory", "restore", "restore in place"]


def read_token(text: str) -> Message:
    """The JoinToken in the text that `holdfast agent token` prints."""
    return agent_pb2.JoinToken.FromString(base64.b64decode(text.strip().removeprefix("hf1.")))


def token_text(token: Message) -> str:
    """The inverse of read_token()."""
    return "hf1." + base64.b64encode(token.SerializeToString()).decode()


def _transcript(*fields: bytes) -> bytes:
    return b"holdfast join 1\n" + b"".join(len(one).to_bytes(4, "big") + one for one in fields)


def join_mac(secret: bytes, request: Message) -> bytes:
    return hmac.digest(hashlib.sha256(secret).digest(),
                       _transcript(request.node.encode(), request.signing_key, request.curve_key), "sha256")


def join(token: str, *, change: Callable[[Message], None] | None = None, seconds: float = 30) -> "AgentClient | str":
    """Joins with a token. Returns the agent, or the controller's refusal message. `change` modifies the request after
    its mac was computed."""
    content = read_token(token)
    public, secret = sockets.new_keys()
    signing_key = SigningKey()
    request = agent_pb2.JoinRequest(node=content.node, signing_key=signing_key.public, curve_key=z85.decode(public))
    if content.permit:
        request.permit = content.permit
    request.mac = join_mac(content.secret, request)
    if change is not None:
        change(request)
    socket = sockets.dial(content.endpoint, z85.encode(content.server_key), secret)
    try:
        socket.send(request.SerializeToString())
        (frame,) = sockets.receive(socket, seconds, "the answer to the join request")
    finally:
        socket.close()
    answer = agent_pb2.JoinAnswer.FromString(frame)
    if answer.refused:
        return answer.refused
    root = trust_pb2.RootDocument.FromString(trust_pb2.Envelope.FromString(answer.root).payload)
    return AgentClient(content.node, answer, root, signing_key, secret)


class AgentClient:
    """A node that has joined. Reports are numbered, chained and signed; everything else is up to the test."""

    def __init__(self, node: str, answer: Message, root: Message, signing_key: SigningKey, secret: bytes):
        self.node = node
        self.incarnation = answer.incarnation
        self.root = root
        self.signing_key = signing_key
        self.sequence = 0
        self.previous = b""
        self.taken = 0  # sequence of the newest report that the controller has confirmed
        self.plans: deque[Message] = deque()
        self._envelopes: dict[bytes, bytes] = {}  # payload of a plan by its id
        self._process_id = os.urandom(16)
        self._socket = sockets.dial(answer.endpoint, z85.encode(root.bus_key), secret)

    def close(self) -> None:
        self._socket.close()

    def send(self, message: Message) -> None:
        self.send_bytes(message.SerializeToString())

    def send_bytes(self, data: bytes) -> None:
        self._socket.send(data)

    def hello(self, *sources: tuple[str, str, str], change: Callable[[Message], None] | None = None,
              seconds: float = 30, **fields) -> Message:
        """Says Hello and returns the HelloAnswer. A source is (name, repository, topology)."""
        hello = agent_pb2.Hello(
            **{"node": self.node, "incarnation": self.incarnation, "boot_id": "boot", "process_id": self._process_id,
               "nonce": os.urandom(16), "root_version": self.root.version, "report_sequence": self.sequence,
               "version": "test"} | fields)
        for source, repository, topology in sources:
            hello.sources.add(source=source, repository=repository, topology=topology)
            if repository not in hello.repositories:
                hello.repositories.append(repository)
        if change is not None:
            change(hello)
        self.send(agent_pb2.AgentMessage(hello=hello))
        while True:
            answer = self.receive("hello_answer", seconds).hello_answer
            fresh = trust_pb2.Fresh.FromString(trust_pb2.Envelope.FromString(answer.fresh).payload)
            if fresh.nonce == hello.nonce:
                self.taken = max(self.taken, answer.report_sequence)
                return answer

    def receive(self, kind: str, seconds: float = 30) -> Message:
        """The next message of this kind. Plans that arrive before it are kept for next_plan()."""
        deadline = sockets.Deadline(seconds)
        while True:
            (frame,) = sockets.receive(self._socket, deadline.left, f"{kind} from the controller")
            message = agent_pb2.ControllerMessage.FromString(frame)
            for envelope in message.plans.envelopes:
                self._take_plan(envelope)
            if message.HasField("reports_taken"):
                self.taken = message.reports_taken.report_sequence
            if message.WhichOneof("message") == kind:
                return message

    def _take_plan(self, envelope: bytes) -> None:
        payload = trust_pb2.Envelope.FromString(envelope).payload
        plan = plan_pb2.Plan.FromString(payload)
        if plan.plan_id not in self._envelopes:
            self._envelopes[plan.plan_id] = payload
            self.plans.append(plan)

    def next_plan(self, order: str, seconds: float = 30) -> Message:
        """The next plan with this order. Others are dropped."""
        deadline = sockets.Deadline(seconds)
        while True:
            while self.plans:
                plan = self.plans.popleft()
                if plan.WhichOneof("order") == order:
                    return plan
            self.receive("plans", deadline.left)

    def report(self, plan: Message, *, change: Callable[[Message], None] | None = None, tail: bytes = b"",
               **fields: Message | str) -> int:
        """Sends the next report of the chain, with these fields, and returns its number. `change` modifies it before it
        is signed; `tail` is appended to its bytes."""
        payload = self.report_payload(plan, change=change, tail=tail, **fields)
        self.send_payloads(payload)
        return self.sequence

    def report_payload(self, plan: Message, *, change: Callable[[Message], None] | None = None, tail: bytes = b"",
                       **fields: Message | str) -> bytes:
        """Makes the next report of the chain."""
        self.sequence += 1
        report = plan_pb2.Report(
            cluster_id=plan.cluster_id, node=self.node, incarnation=self.incarnation, report_sequence=self.sequence,
            previous=self.previous, time_ms=int(1000 * time.time()), version="test", plan_id=plan.plan_id,
            plan_hash=hashlib.sha256(self._envelopes[plan.plan_id]).digest(), run=plan.run, **fields)
        if change is not None:
            change(report)
        payload = report.SerializeToString() + tail
        self.previous = hashlib.sha256(payload).digest()
        return payload

    def send_payloads(self, *payloads: bytes) -> None:
        """Signs the payloads of reports and sends the reports in one message."""
        self.send_reports(*(sign(REPORT, payload, self.signing_key) for payload in payloads))

    def send_reports(self, *envelopes: bytes) -> None:
        self.send(agent_pb2.AgentMessage(reports=agent_pb2.Reports(envelopes=envelopes)))

    def wait_until_taken(self, sequence: int, seconds: float = 30) -> None:
        """Waits until the controller has confirmed this report."""
        deadline = sockets.Deadline(seconds)
        while self.taken < sequence:
            self.receive("reports_taken", deadline.left)
