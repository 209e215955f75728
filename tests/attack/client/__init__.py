"""A second implementation of the protocol, for tests that play an attacker or a program of another version.

It shares nothing with the product except the .proto files: Protobuf, ZeroMQ and the cryptography come from Debian's
Python packages. It does what the test says, correct or not, so it is not a model of a well-behaved peer."""

from . import admin, sockets, wire
from .agent import ORDERS, AgentClient, join, read_token, token_text
from .controller import ControllerClient
from .envelope import FRESH, PLAN, REJOIN, REPORT, ROOT, SigningKey, open_envelope, sign
from .messages import add_unknown, plan_pb2, trust_pb2, agent_pb2

__all__ = [
    "FRESH",
    "ORDERS",
    "PLAN",
    "REJOIN",
    "REPORT",
    "ROOT",
    "AgentClient",
    "ControllerClient",
    "SigningKey",
    "add_unknown",
    "admin",
    "agent_pb2",
    "join",
    "open_envelope",
    "plan_pb2",
    "read_token",
    "sign",
    "sockets",
    "token_text",
    "trust_pb2",
    "wire",
]
